/** Which items are shown: a status with its count, and a mailbox when there are several. */

import { element, find, mark, write } from "./element.js";
import { STATUSES, statusWord } from "./format.js";
import { count } from "./state.js";

const VIEWS = ["open", ...STATUSES, "all"];
const WORDS = { open: "Open", all: "All" };

export const viewWord = (status) => WORDS[status] ?? statusWord(status);

export class Filters extends EventTarget {
  #buttons = new Map();
  #select = find("#filters select");
  #mailboxes = new Set();

  constructor() {
    super();
    for (const status of VIEWS) {
      const number = element("span", { class: "count" });
      const choose = () => this.#choose(status, this.#select.value);
      const button = element("button", { class: "filter", onclick: choose }, viewWord(status), " ", number);
      this.#buttons.set(status, { button, number });
    }
    find("#filters .statuses").append(...[...this.#buttons.values()].map(({ button }) => button));
    this.#select.append(element("option", { value: "" }, "All"));
    this.#select.addEventListener("change", () => this.#choose(this.status, this.#select.value));
  }

  /** Counts are of what is loaded; a `+` says that there is more. */
  draw(items, view) {
    this.status = view.status;
    for (const item of items.all()) this.#learn(item.mailbox);
    if (view.mailbox) this.#learn(view.mailbox);
    this.#select.value = view.mailbox;
    const counts = count(items.all(), view.mailbox);
    for (const [status, { button, number }] of this.#buttons) {
      const lists = { open: ["new", "in_progress", "waiting"], all: STATUSES }[status] ?? [status];
      const whole = view.loaded("") === 0 || lists.every((each) => view.loaded(each) === 0);
      const known = counts[status] ?? 0;
      write(number, known || whole ? `${known}${whole ? "" : "+"}` : "");
      mark(button, "aria-pressed", String(status === view.status));
    }
  }

  #learn(mailbox) {
    if (!mailbox || this.#mailboxes.has(mailbox)) return;
    this.#mailboxes.add(mailbox);
    this.#select.append(element("option", { value: mailbox }, mailbox));
    mark(this.#select.closest("label"), "hidden", this.#mailboxes.size < 2);
  }

  #choose(status, mailbox) {
    this.dispatchEvent(new CustomEvent("choose", { detail: { status, mailbox } }));
  }
}

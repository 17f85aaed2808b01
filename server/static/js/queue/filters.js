/** Which items are shown: a status with its count, and a mailbox when there are several. */

import { element, find, mark, write } from "../lib/element.js";
import { statusWord } from "../lib/format.js";
import { OPEN_STATUSES, STATUSES, VIEWS } from "../lib/statuses.js";
import { END, count } from "./state.js";

/** @typedef {import("../lib/types.js").ViewStatus} ViewStatus */

/** @type {Record<ViewStatus, string>} */
const WORDS = { open: "Open", all: "All" };
/** @type {Record<ViewStatus, readonly string[]>} The lists that make up a view; of other views the one of that name. */
const LISTS = { open: OPEN_STATUSES, all: STATUSES };

/** @param {ViewStatus} status */
export const viewWord = (status) => WORDS[status] ?? statusWord(status);

/** Events: `choose` ({status, mailbox}). */
export class Filters extends EventTarget {
  /** @type {Map<ViewStatus, { button: HTMLElement, number: HTMLElement }>} */
  #buttons = new Map();
  /** @type {HTMLSelectElement} */
  #select = find("#filters select");
  /** @type {Set<string>} */
  #mailboxes = new Set();
  /** @type {ViewStatus} */
  #status = "open";

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
    this.#select.addEventListener("change", () => this.#choose(this.#status, this.#select.value));
  }

  /**
   * Draw the counts. They are of what is loaded; a `+` says that there is more.
   * @param {import("./state.js").Items} items
   * @param {import("./state.js").View} view
   */
  draw(items, view) {
    this.#status = view.status;
    for (const item of items.all()) this.#learn(item.mailbox);
    if (view.mailbox) this.#learn(view.mailbox);
    this.#select.value = view.mailbox;
    const counts = count(items.all(), view.mailbox);
    for (const [status, { button, number }] of this.#buttons) {
      const lists = LISTS[status] ?? [status];
      const whole = view.loaded("") === END || lists.every((each) => view.loaded(each) === END);
      const known = counts[status] ?? 0;
      write(number, known || whole ? `${known}${whole ? "" : "+"}` : "");
      mark(button, "aria-pressed", String(status === view.status));
    }
  }

  /** @param {string} mailbox */
  #learn(mailbox) {
    if (!mailbox || this.#mailboxes.has(mailbox)) return;
    this.#mailboxes.add(mailbox);
    this.#select.append(element("option", { value: mailbox }, mailbox));
    mark(find("#filters .mailbox"), "hidden", this.#mailboxes.size < 2);
  }

  /**
   * @param {ViewStatus} status
   * @param {string} mailbox
   */
  #choose(status, mailbox) {
    this.dispatchEvent(new CustomEvent("choose", { detail: { status, mailbox } }));
  }
}

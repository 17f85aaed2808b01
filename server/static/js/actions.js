/** What one can do with an item. Each change says on which version it stands; who was faster is named. */

import * as api from "./api.js";
import { announce } from "./announcer.js";
import { element, mark, write } from "./element.js";
import { STATUSES, statusWord, visible } from "./format.js";
import { lastChange } from "./history.js";

export class ItemActions {
  element;
  busy = false;
  #item;
  #person;
  #changed;
  #statuses;
  #assign;
  #assignee;
  #notice;

  /** @param changed called with the item after each change that worked, and with the current one after a conflict */
  constructor(item, person, changed) {
    this.#person = person;
    this.#changed = changed;
    this.#statuses = STATUSES.map((status) =>
      element("button", { "data-status": status, onclick: () => this.#want({ status }) },
        element("span", { class: "shape", "aria-hidden": "true" }), statusWord(status)));
    this.#assign = element("button", { class: "primary", onclick: () => this.#claim() });
    this.#assignee = element("bdi", { class: "assigned" });
    this.#notice = element("p", { class: "notice", role: "status" });
    this.element = element("div", { class: "actions" },
      element("div", { class: "segments", role: "group", "aria-label": "Status" }, this.#statuses),
      element("div", { class: "claim" }, this.#assign, this.#assignee), this.#notice);
    this.update(item);
    if (!this.#mayWrite) this.say("You may read the queue, not change it.");
  }

  update(item) {
    this.#item = item;
    for (const button of this.#statuses) mark(button, "aria-pressed", String(button.dataset.status === item.status));
    const mine = item.assignee === this.#person.name;
    write(this.#assign, mine ? "Release" : "Assign to me");
    write(this.#assignee, mine ? "It is yours." : item.assignee ? `With ${visible(item.assignee)}.` : "Nobody has it yet.");
    this.#enable();
  }

  /** Words below the buttons, with something to press if there is something to do. */
  say(words, ...buttons) {
    this.#notice.replaceChildren(words, ...buttons.flatMap((button) => [" ", button]));
  }

  get #mayWrite() {
    return this.#person.scopes?.includes("write") ?? false;
  }

  #enable() {
    for (const button of [...this.#statuses, this.#assign]) button.disabled = this.busy || !this.#mayWrite;
  }

  #claim() {
    return this.#want({ assignee: this.#item.assignee === this.#person.name ? null : this.#person.name });
  }

  async #want(wanted) {
    if (this.busy || wanted.status === this.#item.status) return;
    const pressed = document.activeElement;
    this.busy = true;
    this.#enable();
    this.say("");
    try {
      this.#changed(await api.change(this.#item.id, this.#item.version, wanted));
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      if (error.status === 409) await this.#beaten(error, wanted);
      else this.#tell(`${error.message} Nothing was changed.`);
    } finally {
      this.busy = false;
      this.#enable();
      if (document.activeElement === document.body) pressed?.focus();
    }
  }

  /** Somebody was faster: say who and what; the wish can be had all the same. */
  async #beaten(error, wanted) {
    const current = await api.item(this.#item.id).catch(() => error.body.item);
    if (!current) return this.#tell(error.message);
    this.update(current);
    this.#changed(current);
    const change = lastChange(current);
    const what = change ? change.words : `It was changed to ${statusWord(current.status)}`;
    const already = Object.entries(wanted).every(([name, value]) => (current[name] ?? null) === value);
    if (already) return this.#tell(`${what} just before you.`);
    const anyway = element("button", { class: "quiet", onclick: () => this.#want(wanted) }, `${wish(wanted)} all the same`);
    this.#tell(`${what} just before you. Your change was not made.`, anyway);
  }

  #tell(words, ...buttons) {
    this.say(words, ...buttons);
    announce(words);
  }
}

function wish({ status, assignee }) {
  if (status) return `Set to ${statusWord(status)}`;
  return assignee ? "Take it" : "Release it";
}

/** What a person can do with an item. Each change names its version; if another person was faster, the page says who. */

import * as api from "../lib/api.js";
import { announce } from "../page/announcer.js";
import { element, mark, write } from "../lib/element.js";
import { statusWord, visible } from "../lib/format.js";
import { STATUSES } from "../lib/statuses.js";
import { lastChange } from "./history.js";

/**
 * @typedef {import("../lib/types.js").Item} Item
 * @typedef {import("../lib/types.js").WantedChange} WantedChange
 */

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

  /**
   * @param {Item} item
   * @param {import("../lib/types.js").Session} person
   * @param {(item: Item) => void} changed called with the item after each change, and with the current one after a conflict
   */
  constructor(item, person, changed) {
    this.#item = item;
    this.#person = person;
    this.#changed = changed;
    this.#statuses = STATUSES.map((status) =>
      element("button", { "data-status": status, onclick: () => this.#change({ status }) },
        element("span", { class: "shape", "aria-hidden": "true" }), statusWord(status)));
    this.#assign = element("button", { class: "primary", onclick: () => this.#claim() });
    this.#assignee = element("bdi", { class: "assigned" });
    this.#notice = element("p", { class: "notice", role: "status" });
    this.element = element("div", { class: "actions" },
      element("div", { class: "segments", role: "group", "aria-label": "Status" }, this.#statuses),
      element("div", { class: "claim" }, this.#assign, this.#assignee), this.#notice);
    this.update(item);
    if (!this.#mayWrite) this.say("You may read the queue but not change it.");
  }

  /** Show a new state of the item. @param {Item} item */
  update(item) {
    this.#item = item;
    for (const button of this.#statuses) mark(button, "aria-pressed", String(button.dataset.status === item.status));
    const mine = item.assignee === this.#person.name;
    write(this.#assign, mine ? "Release" : "Assign to me");
    write(this.#assignee, mine ? "Assigned to you." : item.assignee ? `With ${visible(item.assignee)}.` : "Nobody has it yet.");
    this.#enable();
  }

  /**
   * Write words below the buttons, with buttons of their own if there is something to do.
   * @param {string} words
   * @param {...HTMLElement} buttons
   */
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
    return this.#change({ assignee: this.#item.assignee === this.#person.name ? null : this.#person.name });
  }

  /** @param {WantedChange} wanted */
  async #change(wanted) {
    if (this.busy || wanted.status === this.#item.status) return;
    const pressed = document.activeElement;
    this.busy = true;
    this.#enable();
    this.say("");
    try {
      this.#changed(await api.change(this.#item.id, this.#item.version, wanted));
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      if (error.status === 409) await this.#explainConflict(error, wanted);
      else this.#announce(`${error.message} Nothing was changed.`);
    } finally {
      this.busy = false;
      this.#enable();
      if (document.activeElement === document.body && pressed instanceof HTMLElement) pressed.focus();
    }
  }

  /**
   * Say who was faster and what they did; offer to make the change all the same.
   * @param {api.ApiError} error
   * @param {WantedChange} wanted
   */
  async #explainConflict(error, wanted) {
    const found = await api.item(this.#item.id).catch(() => error.body.item);
    if (!found || found.status === "pending") return this.#announce(error.message);
    const current = /** @type {import("../lib/types.js").WholeItem} */ (found);
    this.update(current);
    this.#changed(current);
    const change = lastChange(current);
    const what = change ? change.words : `It was changed to ${statusWord(current.status)}`;
    const already = Object.entries(wanted).every(([name, value]) => (current[name] ?? null) === value);
    if (already) return this.#announce(`${what} just before you.`);
    const anyway = element("button", { class: "quiet", onclick: () => this.#change(wanted) }, `${changeWords(wanted)} all the same`);
    this.#announce(`${what} just before you. Your change was not made.`, anyway);
  }

  /**
   * @param {string} words
   * @param {...HTMLElement} buttons
   */
  #announce(words, ...buttons) {
    this.say(words, ...buttons);
    announce(words);
  }
}

/** @param {WantedChange} wanted */
function changeWords({ status, assignee }) {
  if (status) return `Set to ${statusWord(status)}`;
  return assignee ? "Take it" : "Release it";
}

/** Mails that could not be read as they should: how many, since when and why, with a button to read one again. */

import * as api from "../lib/api.js";
import { announce } from "../page/announcer.js";
import { element, find, mark, write } from "../lib/element.js";
import { fullTime, rowTime, visible } from "../lib/format.js";

/** @typedef {import("../lib/types.js").QuarantineEntry} QuarantineEntry */

// Milliseconds after a request to read a mail again until the list is loaded to see whether that helped.
const READING_TIME = 3_000;

/** Events: `open` (the id of an item). */
export class Quarantine extends EventTarget {
  /** @type {import("../lib/types.js").Session | null} Who is signed in. */
  person = null;
  #link = find("#quarantine-link");
  /** @type {HTMLDialogElement} */
  #dialog = find("#quarantine");
  #list = find("#quarantine ul");
  #note = find("#quarantine .note");
  #count = 0;
  /** @type {Set<string>} Items whose mail is to be read again and that may still wait. */
  #asked = new Set();

  constructor() {
    super();
    this.#link.addEventListener("click", () => this.#show());
    find(".close", this.#dialog).addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => this.#link.hidden || this.#link.focus());
  }

  /** Show how many there are now. @param {number} count */
  count(count) {
    if (count === this.#count) return;
    if (count > this.#count) announce(words(count));
    this.#count = count;
    write(this.#link, words(count));
    mark(this.#link, "hidden", count === 0);
    if (this.#dialog.open) this.#load();
  }

  #show() {
    this.#list.replaceChildren();
    this.#dialog.showModal();
    return this.#load();
  }

  async #load() {
    try {
      const { items, count } = await api.quarantine();
      const more = count > items.length ? ` The first ${items.length} of ${count} are shown.` : "";
      write(this.#note, items.length ? `Each is in the queue with what could be read of it.${more}` : "Every mail could be read.");
      const focused = document.activeElement?.closest("li")?.dataset.id;
      this.#list.replaceChildren(...items.map((item) => this.#row(item)));
      if (focused) (find(`li[data-id="${focused}"] button`, this.#list) ?? find(".close", this.#dialog)).focus();
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      write(this.#note, error.message);
    }
  }

  /** @param {QuarantineEntry} entry */
  #row({ id, reference, since, reason }) {
    const open = () => {
      this.#dialog.close();
      this.dispatchEvent(new CustomEvent("open", { detail: id }));
    };
    const said = element("p", { class: "said", role: "status" }, this.#asked.has(id) ? "It is being read again." : "");
    return element("li", { "data-id": id },
      element("button", { class: "quiet", onclick: open }, visible(reference)),
      element("time", { datetime: since, title: fullTime(since) }, `since ${rowTime(since)}`),
      this.#button(id, said), element("bdi", { class: "why" }, visible(reason) || "No reason was kept."), said);
  }

  /**
   * Make the button, for people who may change things.
   * @param {string} id
   * @param {HTMLElement} said where its outcome is written
   */
  #button(id, said) {
    if (!this.person?.scopes?.includes("write")) return null;
    const retry = element("button", { class: "retry" }, "Retry");
    retry.addEventListener("click", () => this.#retry(id, retry, said));
    retry.disabled = this.#asked.has(id);
    return retry;
  }

  /**
   * @param {string} id
   * @param {HTMLButtonElement} button
   * @param {HTMLElement} said
   */
  async #retry(id, button, said) {
    button.disabled = true;
    this.#asked.add(id);
    write(said, "It is being read again.");
    try {
      await api.retry(id);
      setTimeout(() => this.#showOutcome(id), READING_TIME);
    } catch (error) {
      this.#asked.delete(id);
      button.disabled = false;
      if (!(error instanceof api.ApiError)) throw error;
      write(said, error.message);
    }
  }

  /** Show whether it helped: a mail that is still in the list could not be read again. @param {string} id */
  async #showOutcome(id) {
    this.#asked.delete(id);
    if (!this.#dialog.open) return;
    await this.#load();
    const row = find(`li[data-id="${id}"] .said`, this.#list);
    if (row) write(row, "It could not be read this time either, or still waits.");
  }
}

/** @param {number} count */
const words = (count) => `${count} mail${count === 1 ? "" : "s"} could not be read`;

/** Mails that could not be read as they should: how many, since when, why, and having one read again. */

import * as api from "./api.js";
import { announce } from "./announcer.js";
import { element, find, mark, write } from "./element.js";
import { fullTime, rowTime, visible } from "./format.js";

// Milliseconds that a mail which is read again is given until it is looked whether that helped.
const READ = 3_000;

/** Events: `open` (the id of an item). */
export class Quarantine extends EventTarget {
  /** Who is signed in, as `/api/session` tells. */
  person = null;
  #link = find("#quarantine-link");
  #dialog = find("#quarantine");
  #list = find("#quarantine ul");
  #note = find("#quarantine .note");
  #count = 0;
  // Items that were asked for again and are still being read.
  #asked = new Set();

  constructor() {
    super();
    this.#link.addEventListener("click", () => this.#show());
    find(".close", this.#dialog).addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => this.#link.hidden || this.#link.focus());
  }

  /** Takes how many there are now. */
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

  /** The button, for who may change things. */
  #button(id, said) {
    if (!this.person?.scopes?.includes("write")) return null;
    const retry = element("button", { class: "retry", onclick: () => this.#retry(id, retry, said) }, "Retry");
    retry.disabled = this.#asked.has(id);
    return retry;
  }

  async #retry(id, button, said) {
    button.disabled = true;
    this.#asked.add(id);
    write(said, "It is being read again.");
    try {
      await api.retry(id);
      setTimeout(() => this.#look(id), READ);
    } catch (error) {
      this.#asked.delete(id);
      button.disabled = false;
      if (!(error instanceof api.ApiError)) throw error;
      write(said, error.message);
    }
  }

  /** Whether it helped: who is still here could not be read again. */
  async #look(id) {
    this.#asked.delete(id);
    if (!this.#dialog.open) return;
    await this.#load();
    const row = find(`li[data-id="${id}"] .said`, this.#list);
    if (row) write(row, "It could not be read this time either, or still waits.");
  }
}

const words = (count) => `${count} mail${count === 1 ? "" : "s"} could not be read`;

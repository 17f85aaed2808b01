/** The item that is open: what it is, what one can do with it, its fields beside its mail. */

import { ItemActions } from "./actions.js";
import { announce } from "../page/announcer.js";
import * as api from "../lib/api.js";
import { conversation } from "./conversation.js";
import { element, find, mark } from "../lib/element.js";
import { fieldsPanel } from "./fields-panel.js";
import { flagWord, fullTime, kindWord, sender, size, subject, visible } from "../lib/format.js";
import { historyList, lastChange } from "./history.js";
import { MailView } from "./mail-view.js";
import { isSameReading } from "./reading.js";

/**
 * @typedef {import("../lib/types.js").Item} Item
 * @typedef {import("../lib/types.js").WholeItem} WholeItem
 * @typedef {import("../lib/types.js").Evidence} Evidence
 *
 * @typedef {object} Drawn what is on the screen while an item is shown
 * @property {WholeItem} item
 * @property {ItemActions} actions
 * @property {HTMLElement} history
 * @property {HTMLElement} fields
 * @property {(evidence: Evidence | null, scroll?: boolean) => void} show
 */

const CHOOSE = "Choose a work item to read it.";

/** Events: `open` (the id of another item), `close`. */
export class ItemDetail extends EventTarget {
  /** @type {import("../lib/types.js").Session | null} Who is signed in. */
  person = null;
  /** @type {string | null} */
  id = null;
  #queue;
  #pane = find("#detail");
  /** @type {Drawn | null} */
  #drawn = null;
  // Whether the item was removed while it was open: an earlier request may still be answered.
  #removed = false;
  // Requests that were sent: only the newest one's answer is shown.
  #requests = 0;

  /** @param {import("../queue/queue.js").Queue} queue */
  constructor(queue) {
    super();
    this.#queue = queue;
    this.#showWords(CHOOSE);
    queue.addEventListener("item", (event) => {
      const { id, item } = /** @type {CustomEvent<{ id: string, item: Item | null }>} */ (event).detail;
      if (id !== this.id) return;
      if (item) this.#follow(item);
      else this.#showRemoved();
    });
    queue.addEventListener("reloaded", () => this.id && !this.#removed && this.#load(this.id));
  }

  /** Show an item, or with null none. @param {string | null} id */
  async show(id) {
    this.id = id;
    this.#drawn = null;
    this.#removed = false;
    if (!id) return this.#showWords(CHOOSE);
    this.#showWords("Loading …");
    await this.#load(id);
  }

  focus() {
    find("h2", this.#pane)?.focus();
  }

  /**
   * Load the item and show it; without a usable answer what is shown stays.
   * @param {string} id
   * @returns the whole item, null when it is not shown
   */
  async #load(id) {
    const request = ++this.#requests;
    const isOld = () => this.id !== id || this.#removed || request !== this.#requests;
    let item;
    try {
      item = await api.item(id);
    } catch (error) {
      if (isOld()) return null;
      if (!(error instanceof api.ApiError)) throw error;
      if (error.status === 404) this.#showMissing();
      else if (!this.#drawn) this.#showWords(error.message, () => this.show(id));
      return null;
    }
    if (isOld()) return null;
    if (item.status === "pending") {
      this.#showWords("Its mail is being read; it appears in a moment.");
      return null;
    }
    if (this.#drawn && isSameReading(this.#drawn.item, item)) this.#update(this.#drawn, item);
    else this.#draw(item);
    return item;
  }

  /**
   * Follow a new state of the open item. What people changed is shown at once; the rest is loaded, since neither version
   * nor list view say whether the mail was read again.
   * @param {Item} item
   */
  async #follow({ id, status, assignee, version }) {
    const drawn = this.#drawn;
    if (!drawn) {
      await this.#load(id);
      return;
    }
    const own = drawn.actions.busy || version <= drawn.item.version;
    this.#update(drawn, { ...drawn.item, status, assignee, version });
    const whole = await this.#load(id);
    const change = whole && lastChange(whole);
    if (!own && change && change.who !== this.person?.name) this.#drawn?.actions.say(`${change.words}.`);
  }

  /** Remove a removed item from this screen too: nothing of it may be left. */
  #showRemoved() {
    const within = this.#pane.contains(document.activeElement);
    this.#removed = true;
    this.#showMissing("This item was removed.");
    announce("This item was removed.");
    if (within) find("button", this.#pane)?.focus();
  }

  #showMissing(words = "This item does not exist any more.") {
    this.#drawn = null;
    this.#showWords(words);
  }

  /**
   * Show what people changed; the mail stays as it is.
   * @param {Drawn} drawn
   * @param {WholeItem} item
   */
  #update(drawn, item) {
    const fields = JSON.stringify(item.extracted_fields) !== JSON.stringify(drawn.item.extracted_fields);
    drawn.item = item;
    drawn.actions.update(item);
    drawn.history.replaceChildren(historyList(item));
    if (fields) drawn.fields.replaceChildren(fieldsPanel(item, drawn.show));
    mark(find("article", this.#pane), "data-status", item.status);
  }

  /** @param {WholeItem} item */
  #draw(item) {
    if (!this.person) throw new Error("an item is shown only to a person who is signed in");
    const actions = new ItemActions(item, this.person, (changed) => this.#queue.take(changed));
    const mail = new MailView(item);
    const title = element("h2", { tabindex: "-1" }, element("bdi", {}, subject(item)));
    /** @type {Drawn["show"]} */
    const show = (evidence, scroll) => {
      mail.show(evidence, scroll);
      mark(title, "data-shown", evidence?.source === "subject");
    };
    const history = element("div", {}, historyList(item));
    const fields = element("div", {}, fieldsPanel(item, show));
    this.#drawn = { item, actions, history, fields, show };
    const close = element("button", { class: "quiet close", "aria-label": "Close", onclick: () => this.#close() }, "✕");
    this.#pane.replaceChildren(element("article", { "data-status": item.status },
      element("header", {}, element("div", { class: "line" }, element("span", { class: "reference" }, item.submission_ref), close),
        title, letterhead(item), chips(item), actions.element),
      element("div", { class: "body" },
        element("section", { class: "facts" }, element("h3", {}, "Fields"), fields, ...attachments(item),
          conversation(item, (id) => this.dispatchEvent(new CustomEvent("open", { detail: id }))),
          element("h3", {}, "History"), history),
        mail.element)));
    mail.show(null);
    mail.markAll(Object.values(item.evidence ?? {}));
    this.#pane.scrollTop = 0;
  }

  #close() {
    this.dispatchEvent(new Event("close"));
  }

  /**
   * @param {string} words
   * @param {() => void} [retry]
   */
  #showWords(words, retry) {
    globalThis.CSS?.highlights?.clear();
    this.#pane.replaceChildren(element("div", { class: "nothing" }, element("p", {}, words),
      retry && element("button", { class: "quiet", onclick: retry }, "Try again"),
      this.id && element("button", { class: "quiet", onclick: () => this.#close() }, "Back to the list")));
  }
}

/** @param {WholeItem} item */
function letterhead(item) {
  const address = item.from_name && item.from_email ? [" ", element("bdi", {}, `<${visible(item.from_email)}>`)] : "";
  const to = item.to?.length ? ` to ${item.to.slice(0, 3).map(visible).join(", ")}${item.to.length > 3 ? " …" : ""}` : "";
  return element("p", { class: "letterhead" },
    element("bdi", { class: "from" }, element("b", {}, sender(item))), address, element("bdi", {}, to), element("br"),
    element("time", { datetime: item.created_at }, fullTime(item.created_at)), ` · mailbox ${visible(item.mailbox)}`);
}

/** @param {WholeItem} item */
function chips(item) {
  const words = [...(item.flags ?? []).map(flagWord), kindWord(item.kind), item.test && "test item"].filter(Boolean);
  if (!words.length && !item.reason) return null;
  return element("p", { class: "chips" }, words.map((word) => element("span", { class: "chip" }, word)),
    item.reason ? element("span", { class: "reason" }, visible(item.reason)) : null);
}

/** @param {WholeItem} item */
function attachments(item) {
  if (!item.attachments?.length) return [];
  const files = item.attachments.map((file) => element("li", {},
    element("a", { href: api.itemUrl(item.id, `/attachments/${file.n}`), download: true },
      element("bdi", {}, visible(file.name) || `attachment ${file.n}`)),
    element("span", { class: "size" }, size(file.size)),
    file.unread ? element("span", { class: "reason" }, `not read: ${visible(file.unread)}`) : null));
  return [element("h3", {}, "Attachments"), element("ul", { class: "files" }, files)];
}

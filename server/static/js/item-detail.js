/** The item that is open: what it is, what one can do with it, its fields beside its mail. */

import { ItemActions } from "./actions.js";
import { announce } from "./announcer.js";
import * as api from "./api.js";
import { conversation } from "./conversation.js";
import { element, find, mark } from "./element.js";
import { fieldsPanel } from "./fields-panel.js";
import { flagWord, fullTime, kindWord, sender, size, subject, visible } from "./format.js";
import { historyList, lastChange } from "./history.js";
import { MailView } from "./mail-view.js";

export class ItemDetail extends EventTarget {
  /** Who is signed in, as `/api/session` tells. */
  person = null;
  id = null;
  #queue;
  #pane = find("#detail");
  #item = null;
  // Whether the item was removed while it was open: what was asked for before may still be answered.
  #gone = false;
  #actions = null;
  #parts = {};

  constructor(queue) {
    super();
    this.#queue = queue;
    this.#nothing("Choose a work item to read it.");
    queue.addEventListener("item", ({ detail }) => detail.id === this.id && this.#told(detail));
  }

  async show(id) {
    this.id = id;
    this.#item = null;
    this.#gone = false;
    if (!id) return this.#nothing("Choose a work item to read it.");
    this.#nothing("Loading …");
    await this.#load(id);
  }

  focus() {
    find("h2", this.#pane)?.focus();
  }

  async #load(id) {
    let item;
    try {
      item = await api.item(id);
    } catch (error) {
      if (this.id !== id || this.#gone) return;
      if (error.status === 404) return this.#nothing("This item does not exist any more.");
      // What is shown stays: the news themselves are already in it.
      return this.#item ? undefined : this.#nothing(error.message, () => this.show(id));
    }
    if (this.id !== id || this.#gone) return;
    if (item.status === "pending" && !item.submission_ref) return this.#nothing("Its mail is being read; it appears in a moment.");
    if (this.#item && this.#item.text === item.text) this.#renew(item);
    else this.#draw(item);
  }

  /** The stream or an answer told of the open item: what people do changes in place, the mail stays as it is. */
  async #told(news) {
    if (news.removed) return this.#removed();
    if (!this.#item) return this.#load(news.id);
    if (news.version === this.#item.version && news.preview === this.#item.preview) return;
    const mine = this.#actions.busy;
    this.#renew({ ...this.#item, ...news });
    await this.#load(news.id);
    const change = lastChange(this.#item);
    if (!mine && change && change.who !== this.person.name) this.#actions.say(`${change.words}.`);
  }

  /** Whoever removed it wanted nothing of it to be left: not on this screen either. */
  #removed() {
    const within = this.#pane.contains(document.activeElement);
    this.#item = null;
    this.#gone = true;
    this.#nothing("This item was removed.");
    announce("This item was removed.");
    if (within) find("button", this.#pane)?.focus();
  }

  #renew(item) {
    const fields = JSON.stringify(item.extracted_fields) !== JSON.stringify(this.#item.extracted_fields);
    this.#item = item;
    this.#actions.update(item);
    this.#parts.history.replaceChildren(historyList(item));
    if (fields) this.#parts.fields.replaceChildren(fieldsPanel(item, this.#parts.show));
    mark(find("article", this.#pane), "data-status", item.status);
  }

  #draw(item) {
    this.#item = item;
    this.#actions = new ItemActions(item, this.person, (changed) => this.#queue.take(changed));
    const mail = new MailView(item);
    const title = element("h2", { tabindex: "-1" }, element("bdi", {}, subject(item)));
    const show = (evidence, scroll) => {
      mail.show(evidence, scroll);
      mark(title, "data-shown", evidence?.source === "subject");
    };
    this.#parts = { show, history: element("div", {}, historyList(item)), fields: element("div", {}, fieldsPanel(item, show)) };
    const close = element("button", { class: "quiet close", "aria-label": "Close", onclick: () => this.#close() }, "✕");
    this.#pane.replaceChildren(element("article", { "data-status": item.status },
      element("header", {}, element("div", { class: "line" }, element("span", { class: "reference" }, item.submission_ref), close),
        title, letterhead(item), chips(item), this.#actions.element),
      element("div", { class: "body" },
        element("section", { class: "facts" }, element("h3", {}, "Fields"), this.#parts.fields, ...attachments(item),
          conversation(item, (id) => this.dispatchEvent(new CustomEvent("open", { detail: id }))),
          element("h3", {}, "History"), this.#parts.history),
        mail.element)));
    mail.show(null);
    mail.markAll(Object.values(item.evidence ?? {}));
    this.#pane.scrollTop = 0;
  }

  #close() {
    this.dispatchEvent(new Event("close"));
  }

  #nothing(words, again) {
    globalThis.CSS?.highlights?.clear();
    this.#pane.replaceChildren(element("div", { class: "nothing" }, element("p", {}, words),
      again && element("button", { class: "quiet", onclick: again }, "Try again"),
      this.id && element("button", { class: "quiet", onclick: () => this.#close() }, "Back to the list")));
  }
}

function letterhead(item) {
  const address = item.from_name && item.from_email ? [" ", element("bdi", {}, `<${visible(item.from_email)}>`)] : "";
  const to = item.to?.length ? ` to ${item.to.slice(0, 3).map(visible).join(", ")}${item.to.length > 3 ? " …" : ""}` : "";
  return element("p", { class: "letterhead" },
    element("bdi", { class: "from" }, element("b", {}, sender(item))), address, element("bdi", {}, to), element("br"),
    element("time", { datetime: item.created_at }, fullTime(item.created_at)), ` · mailbox ${visible(item.mailbox)}`);
}

function chips(item) {
  const words = [...(item.flags ?? []).map(flagWord), kindWord(item.kind), item.test && "test item"].filter(Boolean);
  if (!words.length && !item.reason) return null;
  return element("p", { class: "chips" }, words.map((word) => element("span", { class: "chip" }, word)),
    item.reason ? element("span", { class: "reason" }, visible(item.reason)) : null);
}

function attachments(item) {
  if (!item.attachments?.length) return [];
  const files = item.attachments.map((file) => element("li", {},
    element("a", { href: api.itemUrl(item.id, `/attachments/${file.n}`), download: true },
      element("bdi", {}, visible(file.name) || `attachment ${file.n}`)),
    element("span", { class: "size" }, size(file.size))));
  return [element("h3", {}, "Attachments"), element("ul", { class: "files" }, files)];
}

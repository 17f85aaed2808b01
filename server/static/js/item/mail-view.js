/** The mail: its text with highlighted evidence, its HTML in a frame of its own, and the original to download. */

import { itemUrl } from "../lib/api.js";
import { element, mark } from "../lib/element.js";
import { blocks, locate } from "./evidence.js";
import { sender, visible } from "../lib/format.js";

/**
 * @typedef {import("../lib/types.js").WholeItem} WholeItem
 * @typedef {import("../lib/types.js").Evidence} Evidence
 */

// Neither scripts nor our origin: the frame shows what a stranger wrote.
const SANDBOX = "allow-popups allow-popups-to-escape-sandbox";

export class MailView {
  element;
  #item;
  /** @type {{ start: number, node: Text }[]} The text nodes and the offset at which each begins. */
  #nodes = [];
  #text;
  #frame;
  #buttons;

  /** @param {WholeItem} item */
  constructor(item) {
    this.#item = item;
    this.#text = this.#textView();
    this.#frame = element("div", { class: "html", hidden: true });
    this.#buttons = (item.has_html ? ["Text", "HTML"] : ["Text"]).map((name) =>
      element("button", { "aria-pressed": String(name === "Text"), onclick: () => this.choose(name) }, name));
    const original = element("a", { href: itemUrl(item.id, "/raw"), download: true, class: "quiet" }, "Original (.eml)");
    this.element = element("section", { class: "mail", "aria-label": "Mail" },
      element("div", { class: "bar" }, element("div", { class: "segments", role: "group", "aria-label": "Show the mail as" },
        this.#buttons), item.test ? null : original),
      this.#text, this.#frame);
  }

  /** Show the text or the HTML. @param {string} name of the button */
  choose(name) {
    const html = name === "HTML";
    for (const button of this.#buttons) mark(button, "aria-pressed", String(button.textContent === name));
    this.#text.hidden = html;
    this.#frame.hidden = !html;
    if (html && !this.#frame.childElementCount) this.#frame.append(...this.#htmlView());
  }

  /** Mark every value that was found in the text, faintly. @param {Evidence[]} evidence */
  markAll(evidence) {
    paint("evidence", evidence.map((each) => this.#range(each)));
  }

  /**
   * Highlight the one that a person asks for.
   * @param {Evidence | null} evidence
   * @param {boolean} [scroll] whether to bring it into view
   * @returns whether it is in the text
   */
  show(evidence, scroll) {
    const range = evidence && this.#range(evidence);
    paint("evidence-shown", [range]);
    if (range && scroll) {
      this.choose("Text");
      range.startContainer.parentElement?.scrollIntoView({ block: "nearest" });
      requestAnimationFrame(() => center(range));
    }
    return Boolean(range);
  }

  /** @param {Evidence} evidence */
  #range(evidence) {
    if (evidence.source !== "text") return null;
    const found = locate(this.#item.text ?? "", evidence);
    if (!found) return null;
    const [from, to] = [this.#point(found.start, false), this.#point(found.end, true)];
    const range = document.createRange();
    range.setStart(from.node, found.start - from.start);
    range.setEnd(to.node, found.end - to.start);
    return range;
  }

  /**
   * Find the text node of an offset; at the border of two blocks an end belongs to the first.
   * @param {number} offset
   * @param {boolean} isEnd
   */
  #point(offset, isEnd) {
    return this.#nodes.findLast(({ start }) => (isEnd ? start < offset : start <= offset)) ?? this.#nodes[0];
  }

  #textView() {
    const text = this.#item.text ?? "";
    if (!text.trim()) return element("p", { class: "text none" }, this.#item.test ? "A test item has no mail." : "The mail has no text.");
    const view = element("div", { class: "text", tabindex: "0", role: "document", "aria-label": "Text of the mail" });
    this.#nodes = blocks(text).map(({ start, text: words }) => {
      const node = document.createTextNode(visible(words));
      view.append(element("div", { class: "block" }, node));
      return { start, node };
    });
    return view;
  }

  #htmlView() {
    const url = itemUrl(this.#item.id, "/message");
    const frame = element("iframe", {
      sandbox: SANDBOX, referrerpolicy: "no-referrer", src: url, title: `Mail from ${sender(this.#item)}, as HTML`,
    });
    const load = element("button", { class: "quiet" }, "Load images");
    load.addEventListener("click", () => {
      frame.src = `${url}?images=1`;
      load.remove();
    });
    return [element("p", { class: "note" }, "Images from other servers are not loaded: loading them tells the sender. ", load), frame];
  }
}

/**
 * @param {string} name of the highlight
 * @param {(Range | null)[]} ranges
 */
function paint(name, ranges) {
  if (!globalThis.CSS?.highlights) return;
  const found = ranges.filter((range) => range !== null);
  if (found.length) CSS.highlights.set(name, new Highlight(...found));
  else CSS.highlights.delete(name);
}

/** Scroll the text so that a range is a third below its top. @param {Range} range */
function center(range) {
  const pane = range.startContainer.parentElement?.closest(".text");
  if (!pane) return;
  const [place, window] = [range.getBoundingClientRect(), pane.getBoundingClientRect()];
  pane.scrollTop += place.top - window.top - window.height / 3;
  pane.scrollIntoView({ block: "nearest" });
}

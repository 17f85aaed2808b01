/** The list as a person uses it: one tab stop, arrow keys, opening, and a pill with the number of new items above. */

import { find, mark, write } from "../lib/element.js";
import { Rows } from "./rows.js";

/**
 * @typedef {import("../lib/types.js").Item} Item
 * @typedef {import("./row.js").Row} Row
 */

// Milliseconds for which a person counts as reading after the pointer moved over the list.
const READING = 10_000;
// Milliseconds that a row of a removed item takes to fade; the same in health.css.
const FADE = 200;
// Milliseconds between two removals of rows whose items left the view; such a row stays at least as long.
const SWEEP = 5_000;

/** Events: `open` (the id of an item), `faded` (rows of removed items are gone). */
export class ItemList extends EventTarget {
  rows;
  /** @type {HTMLElement} */
  #scroller = find("#scroller");
  #pill = find("#pill");
  /** @type {Set<string>} Items that arrived above what is in view. */
  #unseen = new Set();
  /** @type {Map<string, number>} Items that left the view, with the time since when. */
  #leaving = new Map();
  /** @type {Set<string>} */
  #fading = new Set();
  // When the pointer moved over the list last; milliseconds since 1970.
  #pointerAt = 0;
  /** @type {Row | null} */
  #current = null;
  /** @type {string | null} */
  #open = null;

  constructor() {
    super();
    this.rows = new Rows(this.#scroller);
    const scroller = this.#scroller;
    scroller.addEventListener("pointermove", () => (this.#pointerAt = Date.now()), { passive: true });
    scroller.addEventListener("pointerleave", () => (this.#pointerAt = 0));
    scroller.addEventListener("scroll", () => this.#seen(), { passive: true });
    scroller.addEventListener("click", (event) => this.#activate(rowOf(event)));
    scroller.addEventListener("keydown", (event) => this.#onKey(event));
    scroller.addEventListener("focusin", (event) => this.#makeTabStop(rowOf(event)));
    this.#pill.addEventListener("click", () => this.toTop());
    setInterval(() => this.engaged || this.#sweep(), SWEEP);
  }

  /** Whether a person reads or works in the list: then nothing may move under the pointer. */
  get engaged() {
    const selection = document.getSelection();
    return this.#scroller.scrollTop > 0 || Date.now() - this.#pointerAt < READING ||
      this.#scroller.contains(document.activeElement) ||
      (selection !== null && !selection.isCollapsed && this.#scroller.contains(selection.anchorNode));
  }

  /** Show these items and nothing else. @param {Item[]} items */
  replace(items) {
    this.#unseen.clear();
    this.#leaving.clear();
    this.rows.replace(items);
    this.#current = null;
    this.#makeTabStop(this.rows.get(this.#open) ?? this.rows.get(this.rows.ids[0]));
    this.#markOpen(this.#open);
    this.#drawPill();
  }

  /** Insert rows for items that just arrived. @param {Item[]} items */
  arrive(items) {
    const hold = this.engaged;
    const quiet = items.length > 10;
    for (const row of this.rows.insert(items, hold)) {
      if (hold && !this.rows.visible(row.dataset.id)) this.#unseen.add(row.dataset.id);
      else if (!quiet) flash(row);
    }
    if (!this.#current) this.#makeTabStop(this.rows.get(this.rows.ids[0]));
    this.#drawPill();
  }

  /** Insert rows for older items, below. @param {Item[]} items */
  append(items) {
    this.rows.insert(items, false);
    if (!this.#current) this.#makeTabStop(this.rows.get(this.rows.ids[0]));
  }

  /**
   * Write a new state of an item into its row, if it has one.
   * @param {Item} item
   * @param {string} note why the row is still there although its item left the view
   */
  update(item, note = "") {
    if (note) this.#leaving.set(item.id, Date.now());
    else this.#leaving.delete(item.id);
    const row = this.rows.update(item, note);
    if (row) flash(row);
  }

  /** @param {string[]} ids */
  remove(ids) {
    for (const id of ids) {
      if (this.#current?.dataset.id === id) this.#moveFocusFrom(id);
      this.#unseen.delete(id);
      this.#leaving.delete(id);
    }
    this.rows.remove(ids);
    this.#drawPill();
  }

  /** Fade and remove the row of an item that was removed. Many that fade together are removed in one step. @param {string} id */
  fade(id) {
    const row = this.rows.get(id);
    if (!row) return;
    mark(row, "data-gone", true);
    if (!this.#fading.size) {
      setTimeout(() => {
        const ids = [...this.#fading];
        this.#fading.clear();
        this.remove(ids);
        this.dispatchEvent(new Event("faded"));
      }, FADE);
    }
    this.#fading.add(id);
  }

  /** Mark the row whose item is open in the detail. @param {string | null} id */
  opened(id) {
    this.#markOpen(id);
    this.#open = id;
  }

  toTop() {
    this.#pointerAt = 0;
    this.#sweep();
    this.#scroller.scrollTop = 0;
    this.#seen();
    this.#makeTabStop(this.rows.get(this.rows.ids[0]));
  }

  /** Focus the row from which the arrow keys move. */
  focus() {
    this.#current?.focus({ preventScroll: false });
  }

  /** Focus the next row (+1) or the one before (-1). @param {number} step */
  move(step) {
    const { ids } = this.rows;
    const at = ids.indexOf(this.#current?.dataset.id ?? "");
    this.rows.get(ids[Math.min(ids.length - 1, Math.max(0, at + step))])?.focus();
  }

  /** Open an item, unless a person selects text. @param {Row | null} row */
  #activate(row) {
    if (!row || document.getSelection()?.isCollapsed === false) return;
    this.dispatchEvent(new CustomEvent("open", { detail: row.dataset.id }));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const page = Math.max(1, Math.floor(this.#scroller.clientHeight / (this.rows.height || 1)) - 1);
    /** @type {Record<string, number>} */
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.move(steps[event.key]);
    else if (event.key === "Enter" || event.key === " " || event.key === "o") this.#activate(rowOf(event));
    else return;
    event.preventDefault();
  }

  /** Make a row the one that the tab key reaches. @param {Row | null | undefined} row */
  #makeTabStop(row) {
    if (!row || row === this.#current) return;
    if (this.#current) this.#current.tabIndex = -1;
    row.tabIndex = 0;
    this.#current = row;
  }

  /** @param {string | null} id */
  #markOpen(id) {
    const was = this.rows.get(this.#open);
    if (was) mark(was, "aria-current", null);
    const row = this.rows.get(id);
    if (row) mark(row, "aria-current", "true");
  }

  /** Give the focus of a row that will be removed to the next one. @param {string} id */
  #moveFocusFrom(id) {
    const { ids } = this.rows;
    const at = ids.indexOf(id);
    const next = this.rows.get(ids[at + 1] ?? ids[at - 1]);
    if (document.activeElement === this.#current) next?.focus();
    this.#current = null;
    this.#makeTabStop(next);
  }

  /** Remove rows whose items left the view some time ago. */
  #sweep() {
    const old = [...this.#leaving].filter(([, since]) => Date.now() - since > SWEEP).map(([id]) => id);
    if (old.length) this.remove(old);
  }

  /** Forget the new items that are in view now. */
  #seen() {
    if (this.#scroller.scrollTop === 0) this.#unseen.clear();
    for (const id of this.#unseen) if (this.rows.visible(id)) this.#unseen.delete(id);
    this.#drawPill();
  }

  #drawPill() {
    mark(this.#pill, "hidden", this.#unseen.size === 0);
    write(this.#pill, `↑ ${this.#unseen.size} new`);
  }
}

/** @param {Event} event */
const rowOf = (event) => /** @type {Row | null} */ (/** @type {Element} */ (event.target).closest(".row"));

/** @param {Row} row */
function flash(row) {
  row.classList.remove("flash");
  requestAnimationFrame(() => row.classList.add("flash"));
}

/** The list as a person uses it: one tab stop, arrows, opening, and the pill that tells of what came in above. */

import { find, mark, write } from "./element.js";
import { Rows } from "./rows.js";

// Milliseconds that a pointer over the list counts as reading after it moved.
const READING = 10_000;
// Milliseconds that a row of a removed item takes to fade; the same in health.css.
const FADE = 200;
// Milliseconds between two sweeps of rows that are only still there.
const SWEEP = 5_000;

export class ItemList extends EventTarget {
  rows;
  #scroller = find("#scroller");
  #pill = find("#pill");
  #unseen = new Set();
  #leaving = new Map();
  #fading = new Set();
  #pointer = 0;
  #current = null;
  #open = null;

  constructor() {
    super();
    this.rows = new Rows(this.#scroller);
    const scroller = this.#scroller;
    scroller.addEventListener("pointermove", () => (this.#pointer = Date.now()), { passive: true });
    scroller.addEventListener("pointerleave", () => (this.#pointer = 0));
    scroller.addEventListener("scroll", () => this.#seen(), { passive: true });
    scroller.addEventListener("click", (event) => this.#activate(event.target));
    scroller.addEventListener("keydown", (event) => this.#key(event));
    scroller.addEventListener("focusin", (event) => this.#stop(event.target.closest(".row")));
    this.#pill.addEventListener("click", () => this.toTop());
    setInterval(() => this.engaged || this.#sweep(), SWEEP);
  }

  /** Somebody reads or works in the list: nothing may move under them. */
  get engaged() {
    const selection = document.getSelection();
    return this.#scroller.scrollTop > 0 || Date.now() - this.#pointer < READING ||
      this.#scroller.contains(document.activeElement) ||
      (!selection.isCollapsed && this.#scroller.contains(selection.anchorNode));
  }

  replace(items) {
    this.#unseen.clear();
    this.#leaving.clear();
    this.rows.replace(items);
    this.#current = null;
    this.#stop(this.rows.get(this.#open) ?? this.rows.get(this.rows.ids[0]));
    this.#show(this.#open);
    this.#drawPill();
  }

  /** Rows for items that just arrived. */
  arrive(items) {
    const hold = this.engaged;
    const quiet = items.length > 10;
    for (const row of this.rows.insert(items, hold)) {
      if (hold && !this.rows.visible(row.dataset.id)) this.#unseen.add(row.dataset.id);
      else if (!quiet) flash(row);
    }
    if (!this.#current) this.#stop(this.rows.get(this.rows.ids[0]));
    this.#drawPill();
  }

  /** Rows for older items, below. */
  append(items) {
    this.rows.insert(items, false);
    if (!this.#current) this.#stop(this.rows.get(this.rows.ids[0]));
  }

  update(item, note = "") {
    if (note) this.#leaving.set(item.id, Date.now());
    else this.#leaving.delete(item.id);
    const row = this.rows.update(item, note);
    if (row) flash(row);
  }

  remove(ids) {
    for (const id of ids) {
      if (this.#current?.dataset.id === id) this.#leave(id);
      this.#unseen.delete(id);
      this.#leaving.delete(id);
    }
    this.rows.remove(ids);
    this.#drawPill();
  }

  /** The row of an item that exists no more fades and goes. Many that go together go in one step. */
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

  /** Mark the row whose item is open in the detail. */
  opened(id) {
    this.#show(id);
    this.#open = id;
  }

  toTop() {
    this.#pointer = 0;
    this.#sweep();
    this.#scroller.scrollTop = 0;
    this.#seen();
    this.#stop(this.rows.get(this.rows.ids[0]));
  }

  /** Focus the row that one goes on from. */
  focus() {
    this.#current?.focus({ preventScroll: false });
  }

  /** To the next (+1) or the one before (-1); true when there was one. */
  move(step) {
    const { ids } = this.rows;
    const at = ids.indexOf(this.#current?.dataset.id);
    const row = this.rows.get(ids[Math.min(ids.length - 1, Math.max(0, at + step))]);
    row?.focus();
    return Boolean(row);
  }

  #activate(target) {
    const row = target.closest(".row");
    if (!row || !document.getSelection().isCollapsed) return;
    this.dispatchEvent(new CustomEvent("open", { detail: row.dataset.id }));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const page = Math.max(1, Math.floor(this.#scroller.clientHeight / (this.rows.height || 1)) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.move(steps[event.key]);
    else if (event.key === "Enter" || event.key === " " || event.key === "o") this.#activate(event.target);
    else return;
    event.preventDefault();
  }

  /** The one row that the tab key reaches. */
  #stop(row) {
    if (!row || row === this.#current) return;
    if (this.#current) this.#current.tabIndex = -1;
    row.tabIndex = 0;
    this.#current = row;
  }

  #show(id) {
    const was = this.rows.get(this.#open);
    if (was) mark(was, "aria-current", null);
    const row = this.rows.get(id);
    if (row) mark(row, "aria-current", "true");
  }

  /** A focused row that goes hands its focus to the next one. */
  #leave(id) {
    const { ids } = this.rows;
    const at = ids.indexOf(id);
    const next = this.rows.get(ids[at + 1] ?? ids[at - 1]);
    if (document.activeElement === this.#current) next?.focus();
    this.#current = null;
    this.#stop(next);
  }

  #sweep() {
    const old = [...this.#leaving].filter(([, since]) => Date.now() - since > SWEEP).map(([id]) => id);
    if (old.length) this.remove(old);
  }

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

function flash(row) {
  row.classList.remove("flash");
  requestAnimationFrame(() => row.classList.add("flash"));
}

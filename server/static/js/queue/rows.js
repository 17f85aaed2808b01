/**
 * All rows of the list, of one height, in groups that the browser need not draw while they are far away. No other file
 * changes the list's children or its scrollTop. The browser's own scroll anchoring is off: it does not work at the very
 * top, and not when a group's size changes.
 */

import { element, find } from "../lib/element.js";
import { makeRow, updateRow } from "./row.js";
import { place } from "./state.js";

/**
 * @typedef {import("../lib/types.js").Item} Item
 * @typedef {import("./row.js").Row} Row
 */

// Rows in a group.
const GROUP = 50;

export class Rows {
  /** @type {HTMLElement} */
  #grid;
  /** @type {HTMLElement} */
  #scroller;
  /** @type {HTMLElement} */
  #slack;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  // Order key and id of each row at the same index, newest first.
  /** @type {number[]} */
  #seqs = [];
  /** @type {string[]} */
  #ids = [];

  /** @param {HTMLElement} scroller */
  constructor(scroller) {
    this.#scroller = scroller;
    this.#grid = find(".grid", scroller);
    this.#slack = find(".slack", scroller);
    scroller.addEventListener("scroll", () => this.#fitSlack(scroller.scrollTop), { passive: true });
  }

  get ids() {
    return this.#ids;
  }

  /** @param {string | null | undefined} id */
  get(id) {
    return this.#rows.get(id ?? "");
  }

  /** Show these items, newest first, and nothing else, from the top. @param {Item[]} items */
  replace(items) {
    this.#rows.clear();
    this.#seqs = items.map((item) => item.seq);
    this.#ids = items.map((item) => item.id);
    const groups = [];
    for (let from = 0; from < items.length; from += GROUP) {
      const rows = items.slice(from, from + GROUP).map((item) => this.#make(item));
      groups.push(sized(element("div", { role: "rowgroup", class: "group" }, rows)));
    }
    this.#grid.replaceChildren(...groups);
    this.#scroller.scrollTop = 0;
    this.#fitSlack(0);
  }

  /**
   * Insert items at their places. With `hold` nothing that can be seen moves.
   * @param {Item[]} items
   * @param {boolean} hold
   * @returns their rows
   */
  insert(items, hold) {
    const fresh = items.filter((item) => !this.#rows.has(item.id));
    const first = this.#firstVisible;
    let above = 0;
    const made = fresh.map((item) => {
      const index = place(this.#seqs, item.seq);
      if (hold && index <= first + above) above += 1;
      return this.#insert(item, index);
    });
    if (above) this.#shift(above);
    return made;
  }

  /**
   * @param {Item} item
   * @param {string} note
   */
  update(item, note) {
    const row = this.#rows.get(item.id);
    if (row) updateRow(row, item, note);
    return row;
  }

  /** Remove rows; what can be seen below them does not move. @param {string[]} ids */
  remove(ids) {
    let above = 0;
    const first = this.#firstVisible;
    for (const id of ids) {
      const index = this.#ids.indexOf(id);
      if (index < 0) continue;
      if (index < first) above += 1;
      const row = this.#rows.get(id);
      const group = row?.parentElement;
      row?.remove();
      if (group?.childElementCount) sized(group);
      else group?.remove();
      this.#rows.delete(id);
      this.#ids.splice(index, 1);
      this.#seqs.splice(index, 1);
    }
    if (above) this.#shift(-above);
  }

  /** Return whether a row is at least partly in view. @param {string} id */
  visible(id) {
    const top = this.#ids.indexOf(id) * this.height;
    return top + this.height > this.#scroller.scrollTop && top < this.#scroller.scrollTop + this.#scroller.clientHeight;
  }

  get height() {
    const row = this.#grid.querySelector(".row");
    return row ? row.getBoundingClientRect().height : 0;
  }

  get #firstVisible() {
    const { height } = this;
    return height ? Math.floor(this.#scroller.scrollTop / height + 0.01) : 0;
  }

  /** @param {Item} item */
  #make(item) {
    const row = makeRow(item);
    this.#rows.set(item.id, row);
    return row;
  }

  /**
   * @param {Item} item
   * @param {number} index
   */
  #insert(item, index) {
    const row = this.#make(item);
    const next = this.#rows.get(this.#ids[index]);
    const group = /** @type {HTMLElement | null} */ (next ? next.parentElement : this.#grid.lastElementChild);
    if (group && (group.childElementCount < GROUP || (index > 0 && next))) {
      if (next) next.before(row);
      else group.append(row);
      sized(group);
    } else {
      const own = sized(element("div", { role: "rowgroup", class: "group" }, row));
      if (group && next) group.before(own);
      else this.#grid.append(own);
    }
    this.#ids.splice(index, 0, item.id);
    this.#seqs.splice(index, 0, item.seq);
    return row;
  }

  /** Scroll by a number of rows. @param {number} rows */
  #shift(rows) {
    const top = Math.max(0, this.#scroller.scrollTop + rows * this.height);
    this.#fitSlack(top);
    this.#scroller.scrollTop = top;
  }

  /** Make empty space below a short list, so that it can be scrolled to `top` at all. @param {number} top */
  #fitSlack(top) {
    const content = this.#slack.offsetTop;
    const slack = top > 0 ? Math.max(0, Math.ceil(top + this.#scroller.clientHeight - content)) : 0;
    if (slack !== this.#slack.offsetHeight) this.#slack.style.setProperty("height", `${slack}px`);
  }
}

/** Write the number of rows into a group's style, from which its height is computed. @param {HTMLElement} group */
function sized(group) {
  group.style.setProperty("--rows", String(group.childElementCount));
  return group;
}

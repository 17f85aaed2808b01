/** The items that this page knows, and the view of them. Pure: no clock, no network, no page. */

import { compareCursors } from "../client/event-stream.js";
import { OPEN_STATUSES, isClosed } from "../lib/statuses.js";

/**
 * @typedef {import("../lib/types.js").Item} Item
 * @typedef {import("../lib/types.js").ViewStatus} ViewStatus
 * @typedef {number | typeof END} Floor the order key down to which a list was loaded
 */

/** The floor of a list that was loaded to its end. No number: any order key, also a negative one, can be an item's. */
export const END = Symbol("end of list");

/** Items by id. An older state of an item never replaces a newer one. */
export class Items {
  /** @type {Map<string, Item>} */
  #items = new Map();
  /** @type {Map<string, string>} The cursor of the newest state of each item, also of one that was removed. */
  #cursors = new Map();

  /** @param {string} id */
  get(id) {
    return this.#items.get(id);
  }

  all() {
    return this.#items.values();
  }

  get size() {
    return this.#items.size;
  }

  /**
   * Store a state of an item: from a list (cursor: its head), an event (its id) or the answer to a change (none).
   * `version` counts people's changes; a new reading of the mail comes with the same version and a later cursor.
   * @param {Item} item
   * @returns {"new" | "changed" | "older"}
   */
  put(item, cursor = "") {
    const known = this.#items.get(item.id);
    const last = this.#cursors.get(item.id) ?? "";
    if (known ? isOlder(item, cursor, known, last) : cursor && compareCursors(cursor, last) < 0) return "older";
    this.#items.set(item.id, item);
    if (compareCursors(cursor, last) > 0) this.#cursors.set(item.id, cursor);
    return known ? "changed" : "new";
  }

  /**
   * Forget all but the newest `kept` items.
   * @param {number} kept
   * @returns {number | null} the order key below which nothing is known any more, null when nothing was forgotten
   */
  trim(kept) {
    const newestFirst = [...this.#items.values()].sort((a, b) => b.seq - a.seq);
    for (const { id } of newestFirst.slice(kept)) this.#items.delete(id);
    for (const id of this.#cursors.keys()) if (!this.#items.has(id)) this.#cursors.delete(id);
    return newestFirst.length > kept ? newestFirst[kept - 1].seq : null;
  }

  /**
   * Forget an item that was removed; lists that are older than `cursor` do not bring it back.
   * @param {string} id
   * @param {string} cursor
   * @returns whether the item was known
   */
  remove(id, cursor) {
    this.#cursors.set(id, cursor);
    return this.#items.delete(id);
  }
}

/**
 * @param {Item} item
 * @param {string} cursor
 * @param {Item} known
 * @param {string} last the cursor of what is known
 */
function isOlder(item, cursor, known, last) {
  if (item.version !== known.version) return item.version < known.version;
  return compareCursors(cursor, last) < 0;
}

/** What a person wants to see: a status, `open` or `all`, and a mailbox or "". */
export class View {
  /** @type {Map<string, Floor>} By status and mailbox; a list without a floor was not loaded yet. */
  #floors = new Map();

  /** @param {ViewStatus} status */
  constructor(status = "open", mailbox = "") {
    this.status = status;
    this.mailbox = mailbox;
  }

  /** The lists to ask the server for: "" is every status. @returns {readonly string[]} */
  get statuses() {
    if (this.status === "open") return OPEN_STATUSES;
    return this.status === "all" ? [""] : [this.status];
  }

  /** Return whether an item belongs to the view, at any position in the list. @param {Item} item */
  wants(item) {
    if (this.mailbox && item.mailbox !== this.mailbox) return false;
    return this.status === "open" ? !isClosed(item.status) : ["all", item.status].includes(this.status);
  }

  /** Return the floor of a list, undefined before its first page. @param {string} status */
  loaded(status) {
    return this.#floors.get(`${status}|${this.mailbox}`);
  }

  /**
   * Note that a page was loaded.
   * @param {string} status
   * @param {string | null} next the page's `next`, null at the end of the list
   */
  reached(status, next, mailbox = this.mailbox) {
    const key = `${status}|${mailbox}`;
    const known = this.#floors.get(key);
    if (next === null || known === END) this.#floors.set(key, END);
    else this.#floors.set(key, known === undefined ? Number(next) : Math.min(Number(next), known));
  }

  /** Note that everything below an order key was forgotten and has to be loaded again. @param {number} seq */
  raise(seq) {
    for (const [key, floor] of this.#floors) this.#floors.set(key, floor === END ? seq : Math.max(floor, seq));
  }

  /**
   * The order key down to which everything is known, END for all, undefined before the first pages. Below it some
   * items may be missing, so nothing is shown.
   * @returns {Floor | undefined}
   */
  get floor() {
    const floors = this.statuses.map((status) => this.loaded(status));
    if (floors.includes(undefined)) return undefined;
    const numbers = floors.filter((floor) => typeof floor === "number");
    return numbers.length ? Math.max(...numbers) : END;
  }

  get complete() {
    return this.floor === END;
  }

  /** Return whether the list has a row for an item. @param {Item} item */
  shows(item) {
    const { floor } = this;
    return this.wants(item) && floor !== undefined && (floor === END || item.seq >= floor);
  }

  /** Return the items to show, newest first. The order is that of arrival and never changes. @param {Iterable<Item>} items */
  select(items) {
    return [...items].filter((item) => this.shows(item)).sort((a, b) => b.seq - a.seq);
  }
}

/**
 * Count the known items of each status in a mailbox ("" = all).
 * @param {Iterable<Item>} items
 * @param {string} mailbox
 */
export function count(items, mailbox) {
  /** @type {Record<string, number>} */
  const counts = { open: 0, all: 0 };
  for (const item of items) {
    if (mailbox && item.mailbox !== mailbox) continue;
    counts[item.status] = (counts[item.status] ?? 0) + 1;
    counts.all += 1;
    if (!isClosed(item.status)) counts.open += 1;
  }
  return counts;
}

/**
 * Return the index at which an order key belongs in a list of them, newest first.
 * @param {number[]} keys
 * @param {number} seq
 */
export function place(keys, seq) {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle] > seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The items that this page knows and the view of them: pure, no clock, no network, no page. */

import { compareCursors } from "./event-stream.js";

export const OPEN = ["new", "in_progress", "waiting"];

/** Items by id; an older telling never wins over a newer one. */
export class Items {
  #items = new Map();
  // The cursor of what was last told of an item, also of one that was removed.
  #told = new Map();

  get(id) {
    return this.#items.get(id);
  }

  all() {
    return this.#items.values();
  }

  /**
   * Takes what a list (cursor: its head), an event (its id) or the answer to a change (none) tells of an item.
   * `version` counts people's changes; a new reading of the mail comes with the same one and a later cursor.
   * @returns {"new" | "changed" | "older"}
   */
  put(item, cursor = "") {
    const known = this.#items.get(item.id);
    const told = this.#told.get(item.id) ?? "";
    if (known ? older(item, cursor, known, told) : cursor && compareCursors(cursor, told) < 0) return "older";
    this.#items.set(item.id, item);
    if (compareCursors(cursor, told) > 0) this.#told.set(item.id, cursor);
    return known ? "changed" : "new";
  }

  /** Whether the last that was told of an item is later than a cursor. */
  isLater(id, cursor) {
    return compareCursors(this.#told.get(id) ?? "", cursor) > 0;
  }

  get size() {
    return this.#items.size;
  }

  /** Forgets all but the newest `kept`. @returns the seq below which nothing is known any more, 0 when nothing went */
  trim(kept) {
    const sequence = [...this.#items.values()].sort((a, b) => b.seq - a.seq);
    for (const { id } of sequence.slice(kept)) this.#items.delete(id);
    for (const id of this.#told.keys()) if (!this.#items.has(id)) this.#told.delete(id);
    return sequence.length > kept ? sequence[kept - 1].seq : 0;
  }

  /** @returns whether the item was known */
  remove(id, cursor) {
    this.#told.set(id, cursor);
    return this.#items.delete(id);
  }
}

function older(item, cursor, known, told) {
  if (item.version !== known.version) return item.version < known.version;
  return compareCursors(cursor, told) < 0;
}

/** What a person wants to see: a status, `open` or `all`, and a mailbox or "". */
export class View {
  // Down to which seq each (status, mailbox) list was loaded: 0 = to its end, absent = not yet.
  #floors = new Map();

  constructor(status = "open", mailbox = "") {
    this.status = status;
    this.mailbox = mailbox;
  }

  /** The lists to ask the server for: "" is every status. */
  get statuses() {
    if (this.status === "open") return OPEN;
    return this.status === "all" ? [""] : [this.status];
  }

  wants(item) {
    const inMailbox = !this.mailbox || item.mailbox === this.mailbox;
    return inMailbox && (this.status === "open" ? OPEN.includes(item.status) : ["all", item.status].includes(this.status));
  }

  loaded(status) {
    return this.#floors.get(`${status}|${this.mailbox}`);
  }

  /** `next` of a page that was loaded, null at the end of the list. */
  reached(status, next, mailbox = this.mailbox) {
    const key = `${status}|${mailbox}`;
    const floor = next === null ? 0 : Number(next);
    this.#floors.set(key, Math.min(floor, this.#floors.get(key) ?? Infinity));
  }

  /** What is older than `seq` was forgotten: it has to be loaded again. */
  raise(seq) {
    for (const [key, floor] of this.#floors) this.#floors.set(key, Math.max(floor, seq));
  }

  /** The seq down to which everything is known; Infinity before the first page. Below it lie gaps, so nothing is shown. */
  get floor() {
    return Math.max(...this.statuses.map((status) => this.loaded(status) ?? Infinity));
  }

  get complete() {
    return this.floor === 0;
  }

  shows(item) {
    return this.wants(item) && item.seq >= this.floor;
  }

  /** The items to show, newest first. The order is that of arrival and never changes. */
  select(items) {
    return [...items].filter((item) => this.shows(item)).sort((a, b) => b.seq - a.seq);
  }
}

/** How many known items each status has in a mailbox ("" = all). */
export function count(items, mailbox) {
  const counts = { open: 0, all: 0 };
  for (const item of items) {
    if (mailbox && item.mailbox !== mailbox) continue;
    counts[item.status] = (counts[item.status] ?? 0) + 1;
    counts.all += 1;
    if (OPEN.includes(item.status)) counts.open += 1;
  }
  return counts;
}

/** Where in a list, newest first, something with this seq belongs. */
export function place(sequence, seq) {
  let low = 0;
  let high = sequence.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sequence[middle] > seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

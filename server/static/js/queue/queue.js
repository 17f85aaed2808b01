/** Joins server, stream and list: loads what the view needs and keeps it up to date. */

import * as api from "../lib/api.js";
import { compareCursors } from "../client/event-stream.js";
import { statusWord } from "../lib/format.js";
import { END, Items, View } from "./state.js";

/**
 * @typedef {import("../lib/types.js").Item} Item
 * @typedef {import("../lib/types.js").ViewStatus} ViewStatus
 * @typedef {import("./state.js").Floor} Floor
 * @typedef {{ items: Items, view: View }} Known what was loaded, and how far
 *
 * @typedef {object} RowList what a queue needs of the list in the page; ItemList has it
 * @property {{ ids: string[], get(id: string): unknown }} rows
 * @property {(items: Item[]) => void} replace
 * @property {(items: Item[]) => void} arrive
 * @property {(items: Item[]) => void} append
 * @property {(item: Item, note?: string) => void} update
 * @property {(ids: string[]) => void} remove
 * @property {(id: string) => void} fade
 */

// Items in a first page, and in a page of the largest size.
const PAGE = 50;
const LARGEST_PAGE = 200;
// Items that a page keeps, and how many more it accepts before it forgets the oldest.
const KEPT = 10_000;
const SPARE = 1_000;
// Pages that a reload fetches of each list at most: 850 items. A reset comes to all pages at once.
const RELOAD = 5;
// Milliseconds between two tries to load what a reset asked for.
const RETRY = 5_000;
// Milliseconds until new rows are put into a hidden page.
const HIDDEN_FRAME = 250;

/**
 * Events: `changed` (counts may differ), `item` ({id, item, removed}: one item, from the stream or an answer), `arrived`
 * (new items), `loaded`, `reloaded` (all is new after a reset), `failed` (a reload; it is tried again).
 */
export class Queue extends EventTarget {
  items = new Items();
  view = new View();
  /** The cursor to open the stream with: the oldest head of what was loaded, so that no event is missed. */
  cursor = "";
  #list;
  /** @type {string[]} New items that the next frame draws. */
  #waiting = [];
  // How often a person chose a view: answers for an earlier one are not drawn.
  #choices = 0;
  // Resets that came, and whether a reload runs.
  #resets = 0;
  #recovering = false;
  /** @type {Known | null} What a running reload has found; events go into it too. */
  #fresh = null;

  /** @param {RowList} list */
  constructor(list) {
    super();
    this.#list = list;
  }

  /**
   * Load the first pages of a view and show them.
   * @param {ViewStatus} status
   * @param {string} mailbox
   */
  async show(status, mailbox) {
    const { items, view } = this;
    [view.status, view.mailbox] = [status, mailbox];
    const choice = ++this.#choices;
    this.#draw();
    const missing = view.statuses.filter((each) => view.loaded(each) === undefined);
    await Promise.all(missing.map((each) => this.#page({ items, view }, each, mailbox)));
    if (missing.length && choice === this.#choices) this.#draw();
    this.#dispatch("loaded");
  }

  /** Load the next older page of the view. */
  async more() {
    const { items, view } = this;
    const choice = this.#choices;
    const { floor, mailbox } = view;
    if (floor === END) return;
    const highest = view.statuses.filter((status) => view.loaded(status) === floor);
    await Promise.all(highest.map((status) => this.#page({ items, view }, status, mailbox, String(floor ?? ""))));
    if (choice === this.#choices) this.#list.append(this.#missing());
    this.#dispatch("loaded");
  }

  /** Load everything again, since events were lost; retry until it worked. The list stays until then and never goes blank. */
  async recover() {
    this.#resets += 1;
    if (this.#recovering) return;
    this.#recovering = true;
    try {
      while (!(await this.#reload()));
    } catch (error) {
      this.#dispatch("failed", error);
      if (!(error instanceof api.ApiError && error.status === 401)) setTimeout(() => this.recover(), RETRY);
    } finally {
      this.#recovering = false;
    }
  }

  /** Take an event of the stream. @param {import("../client/stream.js").Envelope} envelope */
  follow({ event, data, cursor }) {
    const item = /** @type {Item} */ (data);
    if (event === "workitem_removed") this.#remove(item.id, cursor);
    else if (event === "new_workitem" || event === "workitem_updated") this.take(item, cursor);
  }

  /**
   * Take a state of one item from the stream (with its cursor) or from the answer to a change.
   * @param {Item} item
   */
  take(item, cursor = "") {
    this.#fresh?.items.put(item, cursor);
    const outcome = this.items.put(item, cursor);
    if (outcome === "older") return outcome;
    if (this.#list.rows.get(item.id)) this.#redraw(item);
    else if (this.view.shows(item)) this.#arrive(item);
    this.#dispatch("item", { id: item.id, item, removed: false });
    this.#dispatch("changed");
    return outcome;
  }

  /**
   * @param {string} id
   * @param {string} cursor
   */
  #remove(id, cursor) {
    this.#fresh?.items.remove(id, cursor);
    this.items.remove(id, cursor);
    this.#list.fade(id);
    this.#dispatch("item", { id, item: null, removed: true });
    this.#dispatch("changed");
  }

  /** @param {Item} item */
  #redraw(item) {
    this.#list.update(item, this.view.wants(item) ? "" : leftWords(item));
  }

  /** Put new rows in together, once a frame; a hidden page draws no frames. @param {Item} item */
  #arrive(item) {
    this.#waiting.push(item.id);
    if (this.#waiting.length > 1) return;
    const draw = () => {
      const items = this.#waiting.splice(0).flatMap((id) => this.items.get(id) ?? []).filter((each) => this.view.shows(each));
      this.#list.arrive(items);
      if (this.items.size > KEPT + SPARE) this.#forget();
      this.#dispatch("arrived", items);
    };
    if (document.hidden) setTimeout(draw, HIDDEN_FRAME);
    else requestAnimationFrame(draw);
  }

  /** Forget the oldest items: a page that stays open for weeks must not grow without end. */
  #forget() {
    const floor = this.items.trim(KEPT);
    if (floor !== null) this.view.raise(floor);
    this.#list.remove(this.#list.rows.ids.filter((id) => !this.items.get(id)));
  }

  #draw() {
    this.#list.replace(this.view.select(this.items.all()));
    this.#dispatch("changed");
  }

  /** Return what the view shows and the list has no row for. */
  #missing() {
    return this.view.select(this.items.all()).filter((item) => !this.#list.rows.get(item.id));
  }

  /**
   * Load what the view shows again and replace all that is known with it: what was known before a reset can be stale or
   * removed, also in other views and below the rows that are loaded again.
   * @returns whether it is done; false when meanwhile a person chose another view or another reset came
   */
  async #reload() {
    const [choice, resets] = [this.#choices, this.#resets];
    const { status, mailbox, floor } = this.view;
    const fresh = (this.#fresh = { items: new Items(), view: new View(status, mailbox) });
    try {
      for (const each of fresh.view.statuses) await this.#reloadList(fresh, each, floor);
    } finally {
      this.#fresh = null;
    }
    if (choice !== this.#choices || resets !== this.#resets) return false;
    this.#replace(fresh);
    return true;
  }

  /**
   * Load a list from its top down to `floor`, at most RELOAD pages.
   * @param {Known} known
   * @param {string} status
   * @param {Floor | undefined} floor
   */
  async #reloadList(known, status, floor) {
    let before = "";
    for (let n = 0; n < RELOAD; n += 1) {
      const { next } = await this.#page(known, status, known.view.mailbox, before, n ? LARGEST_PAGE : PAGE);
      if (next === null || floor === undefined || (floor !== END && Number(next) <= floor)) return;
      before = next;
    }
  }

  /** Show what a reload found: rows stay where they can, all others go. @param {Known} fresh */
  #replace({ items, view }) {
    const known = this.items;
    [this.items, this.view] = [items, view];
    /** @type {(id: string) => boolean} */
    const stays = (id) => {
      const item = items.get(id);
      return item !== undefined && view.shows(item) && item.seq === known.get(id)?.seq;
    };
    this.#list.remove(this.#list.rows.ids.filter((id) => !stays(id)));
    for (const id of this.#list.rows.ids) {
      const item = items.get(id);
      if (item && JSON.stringify(item) !== JSON.stringify(known.get(id))) this.#redraw(item);
    }
    this.#list.arrive(this.#missing());
    this.#dispatch("loaded");
    this.#dispatch("reloaded");
  }

  /**
   * Load one page of a list.
   * @param {Known} known
   * @param {string} status
   * @param {string} mailbox
   */
  async #page(known, status, mailbox, before = "", limit = PAGE) {
    const page = await api.list({ status, mailbox, before, limit });
    if (!this.cursor || compareCursors(page.head, this.cursor) < 0) this.cursor = page.head;
    for (const item of page.items) {
      const changed = known.items.put(item, page.head) === "changed";
      if (changed && known.items === this.items && this.#list.rows.get(item.id)) this.#redraw(item);
    }
    known.view.reached(status, page.next, mailbox);
    return page;
  }

  /**
   * @param {string} name
   * @param {unknown} [detail]
   */
  #dispatch(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** @param {Item} item */
function leftWords(item) {
  return `Now ${statusWord(item.status).toLowerCase()}${item.assignee ? `, with ${item.assignee}` : ""}`;
}

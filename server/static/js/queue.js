/** Joins server, stream and list: loads what the view needs and keeps it true. */

import * as api from "./api.js";
import { compareCursors } from "./event-stream.js";
import { statusWord } from "./format.js";
import { Items, View } from "./state.js";

const PAGE = 50;
// Items that a page keeps, and how many more it lets come before it forgets the oldest.
const KEPT = 10_000;
const SPARE = 1_000;
// Pages of the largest size that a reload fetches of each list at most.
const RELOAD = 5;
// Milliseconds between two tries to load what a reset asked for.
const AGAIN = 5_000;

/** Events: `changed` (counts may differ), `item` (one item, by stream or answer), `loaded`, `failed`. */
export class Queue extends EventTarget {
  items = new Items();
  view = new View();
  /** The cursor to open the stream with: the oldest head of what was loaded, so that no event is missed. */
  cursor = "";
  #list;
  #waiting = [];
  #generation = 0;

  constructor(list) {
    super();
    this.#list = list;
  }

  /** Loads the first pages of a view and shows them. */
  async show(status, mailbox) {
    const view = this.view;
    [view.status, view.mailbox] = [status, mailbox];
    const generation = ++this.#generation;
    this.#draw();
    const missing = view.statuses.filter((each) => view.loaded(each) === undefined);
    await Promise.all(missing.map((each) => this.#page(each, mailbox)));
    if (missing.length && generation === this.#generation) this.#draw();
    this.#tell("loaded");
  }

  /** The next older page of the view. */
  async more() {
    const { view } = this;
    const generation = this.#generation;
    const { floor, mailbox } = view;
    const highest = view.statuses.filter((status) => view.loaded(status) === floor);
    await Promise.all(highest.map((status) => this.#page(status, mailbox, floor === Infinity ? "" : floor)));
    if (generation === this.#generation) {
      this.#list.append(this.#missing());
    }
    this.#tell("loaded");
  }

  /** Events were lost: compare with what the server has now. The list stays until then; it never goes blank. */
  async reload() {
    const generation = ++this.#generation;
    const { status, mailbox, floor } = this.view;
    const view = (this.view = new View(status, mailbox));
    const found = new Set();
    const heads = [];
    for (const each of view.statuses) heads.push(await this.#again(each, floor, found));
    if (generation !== this.#generation) return;
    const [head] = heads.sort(compareCursors);
    const lost = view.select(this.items.all()).filter(({ id }) => !found.has(id) && !this.items.isLater(id, head));
    for (const { id } of lost) this.items.remove(id, "");
    this.#list.remove(lost.map((item) => item.id));
    this.#list.arrive(this.#missing());
    this.#tell("loaded");
  }

  /** `reload` until it worked. */
  async recover() {
    try {
      await this.reload();
    } catch (error) {
      this.#tell("failed", error);
      if (error.status !== 401) setTimeout(() => this.recover(), AGAIN);
    }
  }

  /** An event of the stream. */
  follow({ event, data, cursor }) {
    if (event === "workitem_removed") this.#remove(data.id, cursor);
    else if (event === "new_workitem" || event === "workitem_updated") this.take(data, cursor);
  }

  /** What is told of one item, by the stream (with its cursor) or by the answer to a change. */
  take(item, cursor = "") {
    const outcome = this.items.put(item, cursor);
    if (outcome === "older") return outcome;
    if (this.#list.rows.get(item.id)) this.#redraw(item);
    else if (this.view.shows(item)) this.#arrive(item);
    this.#tell("item", item);
    this.#tell("changed");
    return outcome;
  }

  #remove(id, cursor) {
    this.items.remove(id, cursor);
    this.#list.fade(id);
    this.#tell("item", { id, removed: true });
    this.#tell("changed");
  }

  #redraw(item) {
    this.#list.update(item, this.view.wants(item) ? "" : leftWords(item));
  }

  /** Rows are put in together, once a frame; a hidden page draws no frames. */
  #arrive(item) {
    this.#waiting.push(item.id);
    if (this.#waiting.length > 1) return;
    const draw = () => {
      const items = this.#waiting.splice(0).map((id) => this.items.get(id)).filter((each) => each && this.view.shows(each));
      this.#list.arrive(items);
      if (this.items.size > KEPT + SPARE) this.#forget();
      this.#tell("arrived", items);
    };
    if (document.hidden) setTimeout(draw, 250);
    else requestAnimationFrame(draw);
  }

  /** A page that stays open for weeks does not grow for ever. */
  #forget() {
    this.view.raise(this.items.trim(KEPT));
    this.#list.remove(this.#list.rows.ids.filter((id) => !this.items.get(id)));
  }

  #draw() {
    this.#list.replace(this.view.select(this.items.all()));
    this.#tell("changed");
  }

  /** What the view shows and the list has no row for. */
  #missing() {
    return this.view.select(this.items.all()).filter((item) => !this.#list.rows.get(item.id));
  }

  async #page(status, mailbox, before = "", limit = PAGE) {
    const { view } = this;
    const page = await api.list({ status, mailbox, before, limit });
    if (!this.cursor || compareCursors(page.head, this.cursor) < 0) this.cursor = page.head;
    for (const item of page.items) {
      const changed = this.items.put(item, page.head) === "changed";
      if (changed && this.#list.rows.get(item.id)) this.#redraw(item);
    }
    view.reached(status, page.next, mailbox);
    return page;
  }

  /** A list from its top down to `floor`, or as far as a reload goes. @returns the head of its first page */
  async #again(status, floor, found) {
    let before = "";
    let head = null;
    for (let n = 0; n < RELOAD; n += 1) {
      const page = await this.#page(status, this.view.mailbox, before, n ? 200 : PAGE);
      for (const item of page.items) found.add(item.id);
      before = page.next;
      head ??= page.head;
      if (before === null || Number(before) <= floor) break;
    }
    return head;
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function leftWords(item) {
  return `Now ${statusWord(item.status).toLowerCase()}${item.assignee ? `, with ${item.assignee}` : ""}`;
}

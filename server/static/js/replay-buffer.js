/** What a tab was told last, so that it can bring another tab up to now. Pure. */

import { compareCursors, epochOf, isItem } from "./event-stream.js";

// Events that are kept for tabs which missed some: they have 8 kB each at most.
const KEPT = 500;
// Facts of which the newest counts (how a mailbox is doing, …) that are kept.
const FACTS = 500;

/** Everything that was told after `floor` up to `head`, or nothing at all: never a part of it. */
export class ReplayBuffer {
  /** The point up to which everything is known. */
  head = "";
  floor = "";
  /** The first message of the newest connection, null before one. */
  connected = null;
  #events = [];
  #facts = new Map();

  /** Forget the events: what follows is told from here on. */
  restart(cursor) {
    this.floor = this.head = cursor;
    this.#events = [];
  }

  /** Everything is known up to here; lower points change nothing. */
  reach(head) {
    if (compareCursors(head, this.head) <= 0) return;
    // Which cursors of an epoch that ended are still good, only the server knows.
    if (epochOf(head) !== epochOf(this.head)) this.restart(this.head || head);
    this.head = head;
  }

  /** An envelope that was told. */
  note(envelope) {
    const { event, cursor, data } = envelope;
    if (event === "connected") {
      this.connected = envelope;
      this.#facts.clear(); // a stream begins with whatever is not as usual
    }
    if (event === "workitem_removed") this.#events = this.#events.filter((other) => other.data?.id !== data?.id);
    if (isItem(event) && cursor) this.#events.push(envelope);
    else if (data) this.#fact(`${event} ${data.mailbox ?? data.name ?? ""} ${data.folder ?? ""}`, envelope);
    if (this.#events.length > KEPT) this.floor = this.#events.shift().cursor;
  }

  /** @returns the events after a cursor, or null when they are not all here: its owner must load anew */
  after(cursor) {
    const known = cursor === this.floor || (epochOf(cursor) === epochOf(this.head) && compareCursors(cursor, this.floor) > 0);
    return known ? this.#events.filter((envelope) => compareCursors(envelope.cursor, cursor) > 0) : null;
  }

  get facts() {
    return [...this.#facts.values()];
  }

  #fact(key, envelope) {
    this.#facts.delete(key);
    this.#facts.set(key, envelope);
    if (this.#facts.size > FACTS) this.#facts.delete(this.#facts.keys().next().value);
  }
}

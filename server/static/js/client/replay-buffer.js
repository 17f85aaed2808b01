/** The newest events of a tab, so that it can send another tab what that one missed. Pure. */

import { compareCursors, epochOf, isItem } from "./event-stream.js";

/** @typedef {import("./stream.js").Envelope & { data?: any }} Envelope */

// Events that are kept for tabs which missed some; an event has at most 8 kB.
const KEPT = 500;
// State events (of which only the newest counts, such as `mailbox_status`) that are kept.
const FACTS = 500;

/** All events after `floor` up to `head`, without a gap. */
export class ReplayBuffer {
  /** The cursor up to which every event is known. */
  head = "";
  floor = "";
  /** @type {Envelope | null} The first message of the newest connection, null before one. */
  connected = null;
  /** @type {Envelope[]} */
  #events = [];
  /** @type {Map<string, Envelope>} */
  #facts = new Map();

  /** Forget the events and begin at a cursor. @param {string} cursor */
  restart(cursor) {
    this.floor = this.head = cursor;
    this.#events = [];
  }

  /** Note that every event up to a cursor is known; a lower cursor changes nothing. @param {string} head */
  reach(head) {
    if (compareCursors(head, this.head) <= 0) return;
    // Only the server knows which cursors of an epoch that ended can still be resumed from.
    if (epochOf(head) !== epochOf(this.head)) this.restart(this.head || head);
    this.head = head;
  }

  /** Keep an envelope. @param {Envelope} envelope */
  note(envelope) {
    const { event, cursor, data } = envelope;
    if (event === "connected") {
      this.connected = envelope;
      this.#facts.clear(); // a stream begins with all that is not well
    }
    if (event === "workitem_removed") this.#events = this.#events.filter((other) => other.data?.id !== data?.id);
    if (isItem(event) && cursor) this.#events.push(envelope);
    else if (data) this.#fact(`${event} ${data.mailbox ?? data.name ?? ""} ${data.folder ?? ""}`, envelope);
    if (this.#events.length > KEPT) this.floor = this.#events.shift()?.cursor ?? this.floor;
  }

  /**
   * Return the events after a cursor.
   * @param {string} cursor
   * @returns null when they are not all here: the list must be loaded again
   */
  after(cursor) {
    const known = cursor === this.floor || (epochOf(cursor) === epochOf(this.head) && compareCursors(cursor, this.floor) > 0);
    return known ? this.#events.filter((envelope) => compareCursors(envelope.cursor, cursor) > 0) : null;
  }

  get facts() {
    return [...this.#facts.values()];
  }

  /**
   * @param {string} key
   * @param {Envelope} envelope
   */
  #fact(key, envelope) {
    this.#facts.delete(key);
    this.#facts.set(key, envelope);
    if (this.#facts.size > FACTS) this.#facts.delete(this.#facts.keys().next().value ?? "");
  }
}

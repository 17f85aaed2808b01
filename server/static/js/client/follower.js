/** A tab without a stream of its own: it dispatches what the leader sends, and asks for what it missed. */

import { compareCursors, epochOf, isItem } from "./event-stream.js";
import { LeaderWatch } from "./leader-watch.js";

/**
 * @typedef {import("./replay-buffer.js").Envelope} Envelope
 * @typedef {Record<string, any>} TabMessage a message that was checked (tab-messages.js)
 * @typedef {Pick<import("./event-stream.js").Options, "now" | "random" | "setTimeout" | "clearTimeout">} Clock
 *
 * @typedef {object} Tab what a follower does in its tab
 * @property {(message: TabMessage) => void} post sends a message to the other tabs
 * @property {(envelope: Envelope, head: string) => void} deliver dispatches an envelope; `head` is known with it
 * @property {(status: TabMessage, whole: boolean) => void} mirror shows the leader's figures and, if `whole`, its state
 * @property {() => void} takeOver takes the lock from a leader that does not answer
 */

export class Follower {
  duplicates = 0;
  #id = Math.random().toString(36).slice(2);
  #buffer;
  #tab;
  #watch;
  // The leader's term, the number of its last event that is known here, and the cursor that it had reached with it.
  #term = 0;
  #n = 0;
  #head = "";
  // Whether all its events up to `n` are known.
  #joined = false;
  // Whether a hello waits for its answer.
  #asked = false;
  #start = false;

  /**
   * @param {import("./replay-buffer.js").ReplayBuffer} buffer what this tab knows; its `head` is the tab's cursor
   * @param {Clock} options
   * @param {Tab} tab
   */
  constructor(buffer, options, tab) {
    this.#buffer = buffer;
    this.#tab = tab;
    this.#watch = new LeaderWatch(options, () => this.#ask(), tab.takeOver);
  }

  /** Join the leader; with `start` it opens its stream again if that was stopped. @param {boolean} start */
  begin(start) {
    this.#joined = false;
    this.#start = start;
    this.#watch.ask();
  }

  /** Ask the leader; without an answer this tab takes over. */
  ask() {
    this.#watch.ask();
  }

  stop() {
    this.#watch.stop();
  }

  /** Take a message of this leader or of a later one. @param {TabMessage} message */
  hear(message) {
    const { kind, term, n } = message;
    const isNew = term !== this.#term;
    if (isNew) this.#joined = this.#asked = false;
    this.#term = term;
    this.#watch.heard();
    if (kind === "answer") {
      if (message.to === this.#id) this.#join(message);
      return;
    }
    if (kind === "beat") this.#mirror(message);
    if (this.#joined && kind === "event" && n === this.#n + 1) return this.#take(message);
    if (this.#joined && n <= this.#n) return;
    // A leader that cannot answer a hello yet sends a beat. After its next event it can.
    const cannotAnswer = kind === "beat" && !this.#joined && !isNew;
    this.#joined = false;
    if (cannotAnswer) this.#asked = false;
    else if (!this.#asked) this.#hello();
  }

  #ask() {
    if (this.#joined) this.#tab.post({ kind: "ping" });
    else this.#hello();
  }

  #hello() {
    this.#asked = true;
    this.#tab.post({ kind: "hello", from: this.#id, cursor: this.#buffer.head, start: this.#start });
  }

  /** Take the leader's answer to a hello: as if a new stream began here. @param {TabMessage} message */
  #join({ n, head, connected, missed, facts, ...status }) {
    if (this.#joined && n <= this.#n) return;
    this.#joined = true;
    this.#asked = this.#start = false;
    this.#n = n;
    this.#head = head;
    const cursor = this.#buffer.head || head;
    if (connected) this.#tab.deliver({ ...connected, resumed: missed !== null, replay: missed?.length ?? 0, cursor }, cursor);
    if (missed === null) this.#reset("too_far", head);
    for (const envelope of missed ?? []) this.#tab.deliver(envelope, envelope.cursor);
    this.#buffer.reach(head);
    for (const envelope of facts) this.#tab.deliver(envelope, head);
    this.#mirror(status);
  }

  /** Take the leader's next event. @param {TabMessage} message */
  #take({ n, envelope, head }) {
    const { event, cursor } = envelope;
    const { head: own } = this.#buffer;
    this.#n = n;
    // We were ahead, and the leader never reached our cursor: the rest of that epoch is lost.
    if (compareCursors(own, this.#head) > 0 && epochOf(head) > epochOf(own)) this.#reset("epoch", this.#head);
    const known = isItem(event) && cursor && compareCursors(cursor, this.#buffer.head) <= 0;
    this.#head = head;
    if (known) this.duplicates += 1;
    else this.#tab.deliver(envelope, head);
  }

  /**
   * @param {string} reason
   * @param {string} head
   */
  #reset(reason, head) {
    this.#tab.deliver({ event: "reset", reason, head, cursor: head }, head);
  }

  /** Show the state of the stream. A live one is shown only when this tab knows all its events. @param {TabMessage} status */
  #mirror(status) {
    this.#tab.mirror(status, this.#joined || !["live", "catching_up"].includes(status.state.name));
  }
}

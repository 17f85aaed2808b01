/** A tab that has no stream of its own: it tells what the leader hands on, and asks for what it missed. */

import { compareCursors, epochOf, isItem } from "./event-stream.js";
import { LeaderWatch } from "./leader-watch.js";

export class Follower {
  duplicates = 0;
  #id = Math.random().toString(36).slice(2);
  #buffer;
  #tab;
  #watch;
  // The leader's term, the number of its last event that is known here, and the point that it had reached with it.
  #term = 0;
  #n = 0;
  #head = "";
  // Whether everything up to `n` is known.
  #joined = false;
  // Whether a hello waits for its answer.
  #asked = false;
  #start = false;

  /**
   * @param buffer what this tab was told; its `head` is the tab's cursor
   * @param tab what a follower does there: `post(message)`, `tell(envelope, head)`, `mirror(word)`, `rob()`
   */
  constructor(buffer, options, tab) {
    this.#buffer = buffer;
    this.#tab = tab;
    this.#watch = new LeaderWatch(options, () => this.#speak(), tab.rob);
  }

  /** Join whoever leads; with `start` it is to open again if it had given up. */
  begin(start) {
    this.#joined = false;
    this.#start = start;
    this.#watch.ask();
  }

  /** Have the leader say something soon, or be robbed. */
  ask() {
    this.#watch.ask();
  }

  stop() {
    this.#watch.stop();
  }

  /** A word of the leader, of this one or of a later one. */
  hear(message) {
    const { kind, term, n } = message;
    const news = term !== this.#term;
    if (news) this.#joined = this.#asked = false;
    this.#term = term;
    this.#watch.heard();
    if (kind === "answer") return message.to === this.#id && this.#join(message);
    if (kind === "beat") this.#mirror(message);
    if (this.#joined && kind === "event" && n === this.#n + 1) return this.#take(message);
    if (this.#joined && n <= this.#n) return;
    // A beat is also what a leader says that cannot answer a hello yet. Its next event tells when it can.
    const cannot = kind === "beat" && !this.#joined && !news;
    this.#joined = false;
    if (cannot) this.#asked = false;
    else if (!this.#asked) this.#hello();
  }

  #speak() {
    if (this.#joined) this.#tab.post({ kind: "ping" });
    else this.#hello();
  }

  #hello() {
    this.#asked = true;
    this.#tab.post({ kind: "hello", from: this.#id, cursor: this.#buffer.head, start: this.#start });
  }

  /** The leader's answer to a hello: as if a new stream began here. */
  #join({ n, head, connected, missed, facts, ...word }) {
    if (this.#joined && n <= this.#n) return;
    this.#joined = true;
    this.#asked = this.#start = false;
    this.#n = n;
    this.#head = head;
    const cursor = this.#buffer.head || head;
    if (connected) this.#tab.tell({ ...connected, resumed: missed !== null, replay: missed?.length ?? 0, cursor }, cursor);
    if (missed === null) this.#reset("too_far", head);
    for (const envelope of missed ?? []) this.#tab.tell(envelope, envelope.cursor);
    this.#buffer.reach(head);
    for (const envelope of facts) this.#tab.tell(envelope, head);
    this.#mirror(word);
  }

  /** The leader's next event. */
  #take({ n, envelope, head }) {
    const { event, cursor } = envelope;
    const { head: own } = this.#buffer;
    this.#n = n;
    // We were ahead, and the leader never came to where we are: the rest of that epoch is lost.
    if (compareCursors(own, this.#head) > 0 && epochOf(head) > epochOf(own)) this.#reset("epoch", this.#head);
    const known = isItem(event) && cursor && compareCursors(cursor, this.#buffer.head) <= 0;
    this.#head = head;
    if (known) this.duplicates += 1;
    else this.#tab.tell(envelope, head);
  }

  #reset(reason, head) {
    this.#tab.tell({ event: "reset", reason, head, cursor: head }, head);
  }

  /** How the line is. Of one that lives, nothing is said here before this tab knows all that it told. */
  #mirror(word) {
    this.#tab.mirror(word, this.#joined || !["live", "catching_up"].includes(word.state.name));
  }
}

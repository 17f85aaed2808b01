/**
 * One stream for all tabs of a browser. It is used like WorkItemStream and dispatches the same events in every tab.
 *
 * The tab that holds a Web Lock (the leader) has the stream and sends its events to the others by BroadcastChannel
 * (tab-messages.js lists the messages). A leader that is closed, put into the history or frozen gives up the lock; from
 * one that does not answer another tab takes it. A new leader opens the stream from its own cursor. Each tab keeps the
 * newest events, so that followers get all that they missed or, when that is gone, `reset`. Without locks or channel
 * (an insecure origin, Node) each tab has a stream of its own.
 */

import { Election } from "./election.js";
import { Follower } from "./follower.js";
import { followPage } from "./page-life.js";
import { ReplayBuffer } from "./replay-buffer.js";
import { WorkItemStream } from "./stream.js";
import { isKnown } from "./tab-messages.js";

/**
 * @typedef {import("./stream.js").State} State
 * @typedef {import("./stream.js").Stats} Stats
 * @typedef {import("./shared-stream.js").SharedOptions} SharedOptions
 * @typedef {import("./event-stream.js").Options & Required<Pick<SharedOptions, "share" | "locks" | "channel">>} Options
 * @typedef {import("./replay-buffer.js").Envelope} Envelope
 * @typedef {import("./follower.js").TabMessage} TabMessage
 */

export class SharedWorkItemStream extends EventTarget {
  /** @type {State} */
  state = { name: "idle", since: 0, reason: "", retryAt: null };
  /** @type {Options} */
  #options;
  #stream;
  #follower;
  #buffer = new ReplayBuffer();
  // Figures of this tab, and of the tab that has the stream.
  /** @type {{ resets: number, events: Record<string, number>, heartbeatAt: number | null }} */
  #counted = { resets: 0, events: {}, heartbeatAt: null };
  #measured = { opened: 0, reconnects: 0, rotations: 0, duplicates: 0, bytes: 0 };
  /** @type {"out" | "leader" | "follower"} "out": not started, closed or asleep */
  #role = "out";
  // The term of the newest leader that is known; in the leader the number of its last event.
  #term = 0;
  #n = 0;
  /** @type {Pick<BroadcastChannel, "postMessage" | "close" | "onmessage"> | null} */
  #channel = null;
  /** @type {Election | null} */
  #election = null;
  /** @type {AbortController | null} */
  #page = null;

  /** @param {SharedOptions} options */
  constructor(options = {}) {
    super();
    /** @type {any} */
    const page = options.page ?? globalThis;
    this.#options = {
      url: "/sse/workitems", cursor: "", share: "", getToken: null, fetch: (input, init) => fetch(input, init),
      random: Math.random, now: Date.now, page,
      setTimeout: (run, wait) => setTimeout(run, wait), clearTimeout: (id) => clearTimeout(id), locks: page.navigator?.locks,
      channel: page.BroadcastChannel && ((/** @type {string} */ name) => new page.BroadcastChannel(name)), ...options,
    };
    this.cursor = options.cursor ?? "";
    this.#stream = new WorkItemStream(options);
    this.#stream.addEventListener("event", ({ detail }) => this.#role === "leader" && this.#share(detail));
    this.#stream.addEventListener("state", () => this.#role === "leader" && this.#beat());
    this.#follower = new Follower(this.#buffer, this.#options, {
      post: (message) => this.#post(message),
      deliver: (envelope, head) => this.#deliver(envelope, head),
      mirror: ({ state, line }, whole) => {
        this.#measured = line;
        if (whole) this.#become(state);
      },
      takeOver: () => this.#election?.stand({ steal: true }),
    });
  }

  get cursor() {
    return this.#buffer.head;
  }

  set cursor(cursor) {
    this.#buffer.restart(cursor);
  }

  get stats() {
    this.#measure();
    return { ...this.#measured, duplicates: this.#measured.duplicates + this.#follower.duplicates, ...this.#counted };
  }

  /** Open the stream or join it; again after `signed_out` or `stopped`, for all tabs. */
  start() {
    if (this.#role === "out") this.#enter(true);
    else this.#do("start");
  }

  /** End the stream of this tab; the other tabs keep theirs. */
  close(reason = "closed") {
    this.#page?.abort();
    this.#page = null;
    this.#leave();
    this.#become({ name: "stopped", reason, retryAt: null });
  }

  /** Lose the connection of all tabs as by a network error, to test that it comes back. */
  drop() {
    this.#do("drop");
  }

  /** Open at once, for all tabs; from another cursor if one is given. */
  reconnect(cursor = "") {
    if (cursor) this.cursor = cursor;
    if (this.#role === "out") this.#enter(true);
    else this.#do("reconnect", cursor);
  }

  /** @param {"start" | "drop" | "reconnect"} what */
  #do(what, cursor = "") {
    if (this.#role === "follower") this.#post({ kind: "ask", what, cursor });
    else if (this.#role === "out") return;
    else if (what === "drop") this.#stream.drop();
    else if (what === "reconnect") this.#stream.reconnect(this.cursor);
    else if (["signed_out", "stopped"].includes(this.#stream.state.name)) this.#stream.start();
  }

  // Joining and leaving.

  /** @param {boolean} start whether a stopped stream is opened again */
  #enter(start) {
    this.#page ??= followPage(this.#options.page, {
      stops: () => this.#leave(),
      resumes: () => {
        if (this.#role === "out") this.#enter(false);
      },
      wakes: () => {
        if (this.#role === "follower") this.#follower.ask();
      },
    });
    const name = this.#name();
    const { locks, channel } = this.#options;
    if (!name || !locks || !channel) return this.#lead();
    this.#channel = channel(name);
    this.#channel.onmessage = ({ data }) => this.#role !== "out" && isKnown(data) && this.#hear(data);
    this.#election = new Election(locks, name, (outcome) => this.#elected(outcome));
    this.#election.stand();
    this.#follow("", start);
  }

  /** Give up lock and stream; cursor, state and the newest events stay. */
  #leave() {
    this.#measure();
    this.#role = "out";
    this.#follower.stop();
    this.#stream.close();
    this.#election?.resign();
    this.#channel?.close();
    this.#election = this.#channel = null;
  }

  /** Return what tabs must have in common to share: the reader, and the stream with its filter. "": this tab must not share. */
  #name() {
    const { url, share, getToken, page, locks, channel } = this.#options;
    const who = typeof share === "function" ? share() : share;
    if (!locks || !channel || who === null || (getToken && !who)) return "";
    const here = page.location?.href;
    return `tubepost stream 1 ${JSON.stringify([who, here ? new URL(url, here).href : String(url)])}`;
  }

  /** @param {import("./election.js").Outcome} outcome */
  #elected(outcome) {
    if (outcome === "elected") return this.#lead();
    if (outcome === "deposed") return this.#stepDown();
    this.#leave(); // no locks here: this tab has a stream of its own
    this.#lead();
  }

  #lead() {
    const { now, random } = this.#options;
    this.#follower.stop();
    this.#role = "leader";
    // Later leaders have higher terms, also those that know of none; the fraction makes two of the same millisecond differ.
    this.#term = Math.floor(Math.max(this.#term + 1, now())) + random();
    this.#n = 0;
    this.#stream.cursor = this.cursor;
    this.#stream.start(this.state.retryAt ?? 0);
  }

  #stepDown() {
    this.#measure();
    const led = this.#role === "leader";
    this.#role = "follower";
    this.#stream.close();
    this.#election?.stand();
    if (led) this.#follow("another tab has the stream", false);
  }

  /**
   * @param {string} reason
   * @param {boolean} start
   */
  #follow(reason, start) {
    this.#role = "follower";
    this.#become({ name: "connecting", reason, retryAt: null });
    this.#follower.begin(start);
  }

  // Between the tabs.

  /** @param {TabMessage} message */
  #hear(message) {
    if (message.term === undefined) {
      if (this.#role === "leader") this.#serve(message);
      return;
    }
    if (message.term < this.#term) return; // a leader that slept does not know yet that it was replaced
    this.#term = message.term;
    if (this.#role === "leader") this.#stepDown();
    this.#follower.hear(message);
  }

  /** Answer a follower. @param {TabMessage} message */
  #serve(message) {
    if (message.cursor && message.what === "reconnect") this.cursor = message.cursor;
    if (message.what || message.start) this.#do(message.what ?? "start");
    if (message.kind === "ask") return;
    this.#stream.look();
    if (message.kind === "hello" && this.cursor) this.#answer(message);
    else this.#beat();
  }

  /** @param {TabMessage} hello */
  #answer({ from, cursor }) {
    const { connected, facts } = this.#buffer;
    const missed = cursor ? this.#buffer.after(cursor) : [];
    this.#post({ kind: "answer", ...this.#status(), to: from, head: this.cursor, connected, missed, facts });
  }

  /** Send an envelope of the stream to all tabs, this one included. @param {Envelope} envelope */
  #share(envelope) {
    const head = this.#stream.cursor;
    this.#n += 1;
    this.#post({ kind: "event", term: this.#term, n: this.#n, envelope, head });
    this.#deliver(envelope, head);
  }

  #beat() {
    this.#become(this.#stream.state);
    this.#post({ kind: "beat", ...this.#status() });
  }

  #status() {
    this.#measure();
    return { term: this.#term, n: this.#n, state: this.#stream.state, line: this.#measured };
  }

  #measure() {
    if (this.#role !== "leader") return;
    const { opened, reconnects, rotations, duplicates, bytes } = this.#stream.stats;
    this.#measured = { opened, reconnects, rotations, duplicates, bytes };
  }

  /** @param {TabMessage} message */
  #post(message) {
    this.#channel?.postMessage(message);
  }

  // In this tab.

  /**
   * Keep an envelope and dispatch it.
   * @param {Envelope} envelope
   * @param {string} head the cursor up to which every event is known with it
   */
  #deliver(envelope, head) {
    const { event } = envelope;
    if (event === "reset") this.#buffer.restart(head);
    else this.#buffer.reach(head);
    this.#buffer.note(envelope);
    this.#counted.events[event] = (this.#counted.events[event] ?? 0) + 1;
    if (event === "reset") this.#counted.resets += 1;
    else if (event === "heartbeat") this.#counted.heartbeatAt = this.#options.now();
    for (const name of [event, "event"]) this.dispatchEvent(new CustomEvent(name, { detail: envelope }));
  }

  /** @param {Omit<State, "since"> & { since?: number }} state */
  #become({ name, reason, retryAt, since = this.#options.now() }) {
    const was = this.state;
    if (was.name === name && was.reason === reason && was.retryAt === retryAt) return;
    this.state = { name, reason, retryAt, since };
    this.dispatchEvent(new CustomEvent("state", { detail: this.state }));
  }
}

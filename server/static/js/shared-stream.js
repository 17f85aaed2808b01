/**
 * One stream for all tabs of a browser. It is used like WorkItemStream and tells the same, in every tab.
 *
 * The tab that holds a Web Lock (the leader) has the stream and hands on what it is told, by BroadcastChannel; the
 * others follow (tab-messages.js has their words). A leader that is closed, put into the history or frozen gives up the
 * lock; one that does not answer is robbed of it. Whoever leads opens from its own cursor, and each tab keeps what it
 * was told last, so that followers get all that they missed or, when that is gone, `reset`. Without locks or channel
 * (an insecure origin, Node) it is a stream of its own.
 */

import { Election } from "./election.js";
import { Follower } from "./follower.js";
import { followPage } from "./page-life.js";
import { ReplayBuffer } from "./replay-buffer.js";
import { WorkItemStream } from "./stream.js";
import { understood } from "./tab-messages.js";

export class SharedWorkItemStream extends EventTarget {
  state = { name: "idle", since: 0, reason: "", retryAt: null };
  #options;
  #line;
  #follower;
  #buffer = new ReplayBuffer();
  #told = { resets: 0, events: {}, heartbeatAt: null };
  #measured = { opened: 0, reconnects: 0, rotations: 0, duplicates: 0, bytes: 0 };
  // "out": not started, closed or asleep; else "leader" or "follower".
  #role = "out";
  // Of the newest leader that is known; the leader's own number of the last event.
  #term = 0;
  #n = 0;
  #channel = null;
  #election = null;
  #page = null;

  constructor(options = {}) {
    super();
    const page = options.page ?? globalThis;
    this.#options = {
      url: "/sse/workitems", share: "", getToken: null, random: Math.random, now: Date.now, page,
      setTimeout: (...args) => setTimeout(...args), clearTimeout: (id) => clearTimeout(id), locks: page.navigator?.locks,
      channel: page.BroadcastChannel && ((name) => new page.BroadcastChannel(name)), ...options,
    };
    this.cursor = options.cursor ?? "";
    this.#line = new WorkItemStream(options);
    this.#line.addEventListener("event", ({ detail }) => this.#role === "leader" && this.#handOn(detail));
    this.#line.addEventListener("state", () => this.#role === "leader" && this.#beat());
    this.#follower = new Follower(this.#buffer, this.#options, {
      post: (message) => this.#post(message),
      tell: (envelope, head) => this.#tell(envelope, head),
      mirror: ({ state, line }, whole) => {
        this.#measured = line;
        if (whole) this.#become(state);
      },
      rob: () => this.#election.stand({ steal: true }),
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
    return { ...this.#measured, duplicates: this.#measured.duplicates + this.#follower.duplicates, ...this.#told };
  }

  /** Open the stream or join it; again after `signed_out` or `stopped`, for all tabs. */
  start() {
    if (this.#role === "out") this.#enter(true);
    else this.#do("start");
  }

  /** This tab leaves for good; the others go on. */
  close(reason = "closed") {
    this.#page?.abort();
    this.#page = null;
    this.#leave();
    this.#become({ name: "stopped", reason, retryAt: null });
  }

  /** Lose the connection of all tabs as a bad line would. */
  drop() {
    this.#do("drop");
  }

  /** Open at once, for all tabs; from another cursor if one is given. */
  reconnect(cursor = "") {
    if (cursor) this.cursor = cursor;
    if (this.#role === "out") this.#enter(true);
    else this.#do("reconnect", cursor);
  }

  #do(what, cursor = "") {
    if (this.#role === "follower") this.#post({ kind: "ask", what, cursor });
    else if (this.#role === "out") return;
    else if (what === "drop") this.#line.drop();
    else if (what === "reconnect") this.#line.reconnect(this.cursor);
    else if (["signed_out", "stopped"].includes(this.#line.state.name)) this.#line.start();
  }

  // Coming and going.

  #enter(start) {
    this.#page ??= followPage(this.#options.page, {
      stops: () => this.#leave(),
      goesOn: () => this.#role === "out" && this.#enter(false),
      wakes: () => this.#role === "follower" && this.#follower.ask(),
    });
    const name = this.#name();
    if (!name) return this.#lead();
    this.#channel = this.#options.channel(name);
    this.#channel.onmessage = ({ data }) => this.#role !== "out" && understood(data) && this.#hear(data);
    this.#election = new Election(this.#options.locks, name, (news) => this.#elected(news));
    this.#election.stand();
    this.#follow("", start);
  }

  /** Gives up lock and line; cursor, state and what was told stay. */
  #leave() {
    this.#measure();
    this.#role = "out";
    this.#follower.stop();
    this.#line.close();
    this.#election?.resign();
    this.#channel?.close();
    this.#election = this.#channel = null;
  }

  /** What tabs must have in common: who reads, and the stream with its filter. "" when this one must not share. */
  #name() {
    const { url, share, getToken, page, locks, channel } = this.#options;
    const who = typeof share === "function" ? share() : share;
    if (!locks || !channel || who === null || (getToken && !who)) return "";
    const here = page.location?.href;
    return `tubepost stream 1 ${JSON.stringify([who, here ? new URL(url, here).href : String(url)])}`;
  }

  #elected(news) {
    if (news === "elected") return this.#lead();
    if (news === "deposed") return this.#stepDown();
    this.#leave(); // no locks here: a stream of its own
    this.#lead();
  }

  #lead() {
    const { now, random } = this.#options;
    this.#follower.stop();
    this.#role = "leader";
    // Later leaders have higher terms, also those that heard of none; the fraction tells two of one moment apart.
    this.#term = Math.floor(Math.max(this.#term + 1, now())) + random();
    this.#n = 0;
    this.#line.cursor = this.cursor;
    this.#line.start(this.state.retryAt ?? 0);
  }

  #stepDown() {
    this.#measure();
    const led = this.#role === "leader";
    this.#role = "follower";
    this.#line.close();
    this.#election.stand();
    if (led) this.#follow("another tab has the stream", false);
  }

  #follow(reason, start) {
    this.#role = "follower";
    this.#become({ name: "connecting", reason, retryAt: null });
    this.#follower.begin(start);
  }

  // Among the tabs.

  #hear(message) {
    if (message.term === undefined) return this.#role === "leader" && this.#serve(message);
    if (message.term < this.#term) return; // a leader that slept does not know yet that it was replaced
    this.#term = message.term;
    if (this.#role === "leader") this.#stepDown();
    this.#follower.hear(message);
  }

  #serve(message) {
    if (message.cursor && message.what === "reconnect") this.cursor = message.cursor;
    if (message.what || message.start) this.#do(message.what ?? "start");
    if (message.kind === "ask") return;
    this.#line.look();
    if (message.kind === "hello" && this.cursor) this.#answer(message);
    else this.#beat();
  }

  #answer({ from, cursor }) {
    const { connected, facts } = this.#buffer;
    const missed = cursor ? this.#buffer.after(cursor) : [];
    this.#post({ kind: "answer", ...this.#word(), to: from, head: this.cursor, connected, missed, facts });
  }

  #handOn(envelope) {
    const head = this.#line.cursor;
    this.#n += 1;
    this.#post({ kind: "event", term: this.#term, n: this.#n, envelope, head });
    this.#tell(envelope, head);
  }

  #beat() {
    this.#become(this.#line.state);
    this.#post({ kind: "beat", ...this.#word() });
  }

  #word() {
    this.#measure();
    return { term: this.#term, n: this.#n, state: this.#line.state, line: this.#measured };
  }

  #measure() {
    if (this.#role !== "leader") return;
    const { opened, reconnects, rotations, duplicates, bytes } = this.#line.stats;
    this.#measured = { opened, reconnects, rotations, duplicates, bytes };
  }

  #post(message) {
    this.#channel?.postMessage(message);
  }

  // In this tab.

  /** An envelope, and the point up to which everything is told with it. */
  #tell(envelope, head) {
    const { event } = envelope;
    if (event === "reset") this.#buffer.restart(head);
    else this.#buffer.reach(head);
    this.#buffer.note(envelope);
    this.#told.events[event] = (this.#told.events[event] ?? 0) + 1;
    if (event === "reset") this.#told.resets += 1;
    else if (event === "heartbeat") this.#told.heartbeatAt = this.#options.now();
    for (const name of [event, "event"]) this.dispatchEvent(new CustomEvent(name, { detail: envelope }));
  }

  #become({ name, reason, retryAt, since = this.#options.now() }) {
    const was = this.state;
    if (was.name === name && was.reason === reason && was.retryAt === retryAt) return;
    this.state = { name, reason, retryAt, since };
    this.dispatchEvent(new CustomEvent("state", { detail: this.state }));
  }
}

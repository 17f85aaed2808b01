/**
 * The client of the stream of work items. Import it from any page or from Node: it needs event-stream.js beside it
 * and nothing else of ours.
 *
 *   const stream = new WorkItemStream({ url: "/sse/workitems", cursor: page.head });
 *   stream.addEventListener("new_workitem", ({ detail }) => show(detail.data));
 *   stream.addEventListener("reset", reload);      // events were lost for good: load the list again, the stream goes on
 *   stream.start();
 *
 * Events are CustomEvents named as in the stream, their envelope in `detail` (plus `cursor`); `event` fires for each of
 * them, `state` when the state changed. States: idle connecting live catching_up reconnecting offline signed_out stopped.
 */

import { EventStreamParser, backoff, compareCursors, refused } from "./event-stream.js";

// Milliseconds after which a stream that says no more than that it lives has proved usable.
const PROVED = 60_000;
// Milliseconds that an answer and its first event may take.
const PATIENCE = 20_000;
// Milliseconds that a timer which fired late (the machine slept) still waits for bytes that lie in the socket.
const GRACE = 5_000;
// Milliseconds: who is told to rotate sooner waits like after a failure, so that no loop arises.
const SETTLED = 10_000;

export class WorkItemStream extends EventTarget {
  /** The point up to which everything was told; "" before the first. */
  cursor;
  state = { name: "idle", since: 0, reason: "", retryAt: null };
  stats = { opened: 0, reconnects: 0, rotations: 0, resets: 0, duplicates: 0, bytes: 0, events: {}, heartbeatAt: null };
  #options;
  #attempt = 0;
  #notBefore = 0;
  #heartbeat = 30;
  #replay = 0;
  #timer = null;
  #current = null;
  #next = null;
  #listening = null;

  constructor(options = {}) {
    super();
    this.#options = {
      url: "/sse/workitems", getToken: null, fetch: (...args) => fetch(...args), random: Math.random, now: Date.now,
      setTimeout: (...args) => setTimeout(...args), clearTimeout: (id) => clearTimeout(id), page: globalThis, ...options,
    };
    this.cursor = options.cursor ?? "";
  }

  /** Open the stream; again after `signed_out` or `stopped`. */
  start() {
    this.#listen();
    this.#open("");
  }

  /** End for good. */
  close(reason = "closed") {
    this.#listening?.abort();
    this.#listening = null;
    this.#end();
    this.#become("stopped", reason);
  }

  /** Lose the connection as a bad line would, for tests of the way back. */
  drop() {
    this.#lost("the connection was dropped by hand");
  }

  /** Open at once, from another cursor if one is given. */
  reconnect(cursor = this.cursor) {
    this.cursor = cursor;
    this.stats.reconnects += 1;
    this.#open("reconnecting by hand");
  }

  #open(reason) {
    this.#end();
    this.#become("connecting", reason);
    this.#current = this.#connect();
  }

  #end() {
    this.#options.clearTimeout(this.#timer);
    for (const line of [this.#current, this.#next]) if (line) this.#hangUp(line);
    this.#current = this.#next = null;
  }

  #hangUp(line) {
    this.#options.clearTimeout(line.watchdog);
    line.ended = true;
    line.abort.abort();
  }

  #connect() {
    const line = { abort: new AbortController(), parser: new EventStreamParser(), watchdog: null, ended: false,
      heard: this.#options.now(), openedAt: null, asked: this.cursor };
    this.#watch(line, PATIENCE);
    this.#read(line).then(
      (loss) => this.#over(line, loss),
      (error) => this.#over(line, { reason: line.silent ?? `the connection failed (${error.message})` }),
    );
    return line;
  }

  /** Reads one response to its end. @returns what its end means: {reason, wait?, stop?} */
  async #read(line) {
    const { url, getToken, fetch: get, now } = this.#options;
    const token = await getToken?.();
    const headers = { Accept: "text/event-stream", "X-Tubepost-Client": "1" };
    if (token) headers.Authorization = `Bearer ${token}`;
    if (line.asked) headers["Last-Event-ID"] = line.asked;
    const answer = await get(url, { headers, signal: line.abort.signal, cache: "no-store", credentials: "same-origin" });
    const refusal = refused(answer, now());
    if (refusal) {
      answer.body?.cancel().catch(() => {});
      return refusal;
    }
    this.stats.opened += 1;
    line.openedAt = now();
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (line.ended) return null;
      if (done) return line.loss ?? { reason: "the server ended the stream" };
      this.stats.bytes += value.byteLength;
      line.heard = now();
      for (const message of line.parser.push(value)) {
        this.#receive(line, message);
        if (line.ended) return null;
      }
      if (line.connected) this.#watch(line, 2500 * this.#heartbeat);
      if (now() - line.openedAt >= PROVED) this.#attempt = 0;
    }
  }

  #receive(line, { type, data, id }) {
    if (type !== "message") return;
    let envelope;
    try {
      envelope = JSON.parse(data);
    } catch {
      return;
    }
    const name = String(envelope?.event);
    if (line === this.#current || name === "connected") this.#follow(line, name, envelope, id);
  }

  /** One envelope, in the order in which the stream told it. */
  #follow(line, name, envelope, id) {
    const item = name.includes("workitem");
    if (item && id && compareCursors(id, this.cursor) <= 0) {
      this.stats.duplicates += 1;
      return this.#replayed();
    }
    if (name === "connected") this.#connected(line, envelope);
    else if (name === "reset") this.stats.resets += 1;
    else if (name === "heartbeat") this.stats.heartbeatAt = this.#options.now();
    if (name === "reset") this.cursor = id || envelope.head || this.cursor;
    else if (id && line.trusted && compareCursors(id, this.cursor) > 0) this.cursor = id;
    if (name === "reset") line.trusted = true;
    this.stats.events[name] = (this.stats.events[name] ?? 0) + 1;
    for (const kind of [name, "event"]) this.#tell(kind, { ...envelope, cursor: id });
    if (line.ended) return;
    if (item) this.#attempt = 0;
    if (item) this.#replayed();
    else if (name === "heartbeat" || name === "reset") this.#replayed(Infinity);
    else if (name === "rotate") this.#rotate(line);
    else if (name === "busy") line.loss = { reason: "the server is busy", wait: line.parser.retry ?? 5000 };
    else if (name === "bye") this.close(envelope.reason ?? "the server said goodbye");
  }

  #connected(line, envelope) {
    if (line === this.#next) {
      this.#hangUp(this.#current);
      this.#current = line;
      this.#next = null;
      this.stats.rotations += 1;
    }
    line.connected = true;
    // A cursor that cannot be gone on from stays ours until `reset` came: were the line lost before, we would ask again.
    line.trusted = envelope.resumed || !line.asked;
    this.#heartbeat = envelope.heartbeat > 0 ? envelope.heartbeat : 30;
    this.#replay = envelope.replay ?? 0;
    if (this.#replay) this.#become("catching_up", this.#replay === 1 ? "one event was missed" : `${this.#replay} events were missed`);
    else this.#become("live", "");
  }

  #replayed(count = 1) {
    if (this.state.name !== "catching_up") return;
    this.#replay -= count;
    if (this.#replay <= 0) this.#become("live", "");
  }

  /** The next stream opens while this one still tells; a server that rotates at once is not hammered. */
  #rotate(line) {
    if (this.#next) return;
    const wait = this.#options.now() - line.openedAt < SETTLED ? backoff(this.#attempt++, this.#options.random) : 0;
    this.#timer = this.#options.setTimeout(() => {
      if (line === this.#current && !this.#next) this.#next = this.#connect();
    }, wait);
  }

  #over(line, loss) {
    this.#options.clearTimeout(line.watchdog);
    if (line.ended || !loss) return;
    line.ended = true;
    if (line === this.#next) this.#next = null;
    else if (line === this.#current && this.#next) {
      [this.#current, this.#next] = [this.#next, null];
    } else if (line === this.#current) this.#lost(loss.reason, loss);
  }

  #lost(reason, { wait = 0, stop = "" } = {}) {
    const { random, now, page, setTimeout: later } = this.#options;
    const retry = this.#current?.parser.retry ?? 0;
    this.#end();
    if (stop) return this.#become(stop, reason);
    const delay = Math.max(backoff(this.#attempt++, random, retry), wait * (1 + random() / 2));
    const name = page.navigator?.onLine === false ? "offline" : "reconnecting";
    this.#notBefore = wait ? now() + delay : 0;
    this.#become(name, reason, now() + delay);
    this.stats.reconnects += 1;
    this.#timer = later(() => this.#open(reason), delay);
  }

  /** Hang up when nothing was heard for `wait` ms. */
  #watch(line, wait, grace = true) {
    const { now, setTimeout: later, clearTimeout: cancel } = this.#options;
    cancel(line.watchdog);
    line.patience = wait;
    const due = now() + wait;
    line.watchdog = later(() => {
      if (grace && now() - due > GRACE) return this.#watch(line, GRACE, false);
      line.silent = `nothing was heard for ${Math.round((now() - line.heard) / 1000)} s`;
      line.abort.abort();
    }, wait);
  }

  /** What the browser knows about the line counts at once: back online, awake again. */
  #listen() {
    const { page, now } = this.#options;
    if (this.#listening || !page.addEventListener) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const wake = () => {
      const line = this.#current;
      if (page.document?.visibilityState === "hidden") return;
      if (line && now() - line.heard > line.patience) this.#open("the page slept");
      else if (["reconnecting", "offline"].includes(this.state.name)) this.#soon();
    };
    // A line that went dark says nothing for a minute. Should the server be reached all the same, it is found at once.
    const dark = () => this.#current && ["connecting", "live", "catching_up"].includes(this.state.name) && this.#lost("the network is gone");
    page.addEventListener("offline", dark, { signal });
    page.addEventListener("online", wake, { signal });
    page.addEventListener("pageshow", wake, { signal });
    page.document?.addEventListener("visibilitychange", wake, { signal });
  }

  /** Bring the next try forward to at most a second from now. */
  #soon() {
    const { random, now, clearTimeout: cancel, setTimeout: later } = this.#options;
    const delay = random() * 1000;
    if (this.#notBefore > now() || this.state.retryAt - now() <= delay) return;
    cancel(this.#timer);
    this.#timer = later(() => this.#open(this.state.reason), delay);
  }

  #become(name, reason, retryAt = null) {
    const was = this.state;
    if (was.name === name && was.reason === reason && was.retryAt === retryAt) return;
    this.state = { name, reason, retryAt, since: was.name === name ? was.since : this.#options.now() };
    this.#tell("state", this.state);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

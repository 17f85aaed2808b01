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

import { Line, backoff, compareCursors, isItem } from "./event-stream.js";

// Milliseconds after which a stream that says no more than that it lives has proved usable.
const PROVED = 60_000;
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

  /** Open the stream, not before a moment if one is given; again after `signed_out` or `stopped`. */
  start(notBefore = 0) {
    this.#listen();
    const wait = notBefore - this.#options.now();
    if (wait <= 0) return this.#open("");
    this.#notBefore = notBefore;
    this.#retry("reconnecting", "the wait that the server asked for is not over", wait);
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

  /** Do at once what is overdue: timers of a hidden page may be a minute late. */
  look() {
    this.#current?.look();
    if (this.state.retryAt && this.#options.now() > this.state.retryAt) this.#open(this.state.reason);
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
    for (const line of [this.#current, this.#next]) line?.hangUp();
    this.#current = this.#next = null;
  }

  #connect() {
    const { now } = this.#options;
    const line = new Line(this.#options, this.cursor);
    line.read({
      opened: () => (this.stats.opened += 1),
      message: (message) => this.#receive(line, message),
      received: (bytes) => {
        this.stats.bytes += bytes;
        if (now() - line.openedAt >= PROVED) this.#attempt = 0;
      },
    }).then((loss) => loss && this.#over(line, loss));
    return line;
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
    const item = isItem(name);
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
      this.#current.hangUp();
      this.#current = line;
      this.#next = null;
      this.stats.rotations += 1;
    }
    // A cursor that cannot be gone on from stays ours until `reset` came: were the line lost before, we would ask again.
    line.trusted = envelope.resumed || !line.asked;
    line.heartbeat = envelope.heartbeat > 0 ? envelope.heartbeat : 30;
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
    if (line === this.#next) this.#next = null;
    else if (line === this.#current && this.#next) {
      [this.#current, this.#next] = [this.#next, null];
    } else if (line === this.#current) this.#lost(loss.reason, loss);
  }

  #lost(reason, { wait = 0, stop = "" } = {}) {
    const { random, now, page } = this.#options;
    const retry = this.#current?.parser.retry ?? 0;
    this.#end();
    if (stop) return this.#become(stop, reason);
    const delay = Math.max(backoff(this.#attempt++, random, retry), wait * (1 + random() / 2));
    const name = page.navigator?.onLine === false ? "offline" : "reconnecting";
    this.#notBefore = wait ? now() + delay : 0;
    this.#retry(name, reason, delay);
    this.stats.reconnects += 1;
  }

  #retry(name, reason, delay) {
    const { now, setTimeout: later } = this.#options;
    this.#become(name, reason, now() + delay);
    this.#timer = later(() => this.#open(reason), delay);
  }

  /** What the browser knows about the line counts at once: back online, awake again. */
  #listen() {
    const { page } = this.#options;
    if (this.#listening || !page.addEventListener) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const wake = () => {
      const line = this.#current;
      if (page.document?.visibilityState === "hidden") return;
      if (line?.overdue) this.#open("the page slept");
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

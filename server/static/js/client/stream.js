/**
 * The client of the stream of work items. Import it from any page or from Node: it needs event-stream.js beside it
 * and nothing else of ours.
 *
 *   const stream = new WorkItemStream({ url: "/sse/workitems", cursor: page.head });
 *   stream.addEventListener("new_workitem", ({ detail }) => show(detail.data));
 *   stream.addEventListener("reset", reload);      // events were lost: load the list again, the stream continues
 *   stream.start();
 *
 * Events are CustomEvents named as in the stream, their envelope in `detail` (plus `cursor`); `event` fires for each of
 * them, `state` when the state changed. States: idle connecting live catching_up reconnecting offline signed_out stopped.
 */

import { Connection, backoff, compareCursors, isItem } from "./event-stream.js";

/**
 * @typedef {import("./stream.js").State} State
 * @typedef {import("./stream.js").StateName} StateName
 * @typedef {import("./event-stream.js").End} End
 * @typedef {import("./event-stream.js").Message} Message
 * @typedef {{ -readonly [Name in keyof import("./stream.js").Stats]: import("./stream.js").Stats[Name] } & { events: Record<string, number> }} Stats
 * @typedef {Record<string, any>} Envelope
 */

// Milliseconds after which a stream that sent only heartbeats counts as usable.
const PROVED = 60_000;
// Milliseconds: a client that is asked to rotate sooner waits as after a failure, so that it cannot loop.
const SETTLED = 10_000;

export class WorkItemStream extends EventTarget {
  /** The cursor up to which every event was dispatched; "" before the first. */
  cursor;
  /** @type {State} */
  state = { name: "idle", since: 0, reason: "", retryAt: null };
  /** @type {Stats} */
  stats = { opened: 0, reconnects: 0, rotations: 0, resets: 0, duplicates: 0, bytes: 0, events: {}, heartbeatAt: null };
  /** @type {import("./event-stream.js").Options} */
  #options;
  #attempt = 0;
  #notBefore = 0;
  #replay = 0;
  /** @type {unknown} */
  #timer = null;
  /** @type {Connection | null} */
  #current = null;
  /** @type {Connection | null} The connection that will replace the current one (rotation). */
  #next = null;
  /** @type {AbortController | null} */
  #listening = null;

  /** @param {import("./stream.js").Options} options */
  constructor(options = {}) {
    super();
    this.#options = {
      url: "/sse/workitems", cursor: "", getToken: null, fetch: (input, init) => fetch(input, init), random: Math.random,
      now: Date.now, setTimeout: (run, wait) => setTimeout(run, wait), clearTimeout: (id) => clearTimeout(id),
      page: globalThis, ...options,
    };
    this.cursor = options.cursor ?? "";
  }

  /** Open the stream, not before a time if one is given (milliseconds since 1970); again after `signed_out` or `stopped`. */
  start(notBefore = 0) {
    this.#listen();
    const wait = notBefore - this.#options.now();
    if (wait <= 0) return this.#open("");
    this.#notBefore = notBefore;
    this.#retry("reconnecting", "the wait that the server asked for is not over", wait);
  }

  /** End the stream; only `start` opens it again. */
  close(reason = "closed") {
    this.#listening?.abort();
    this.#listening = null;
    this.#end();
    this.#become("stopped", reason);
  }

  /** Lose the connection as by a network error, to test that it comes back. */
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

  /** @param {string} reason */
  #open(reason) {
    this.#end();
    this.#become("connecting", reason);
    this.#current = this.#connect();
  }

  #end() {
    this.#options.clearTimeout(this.#timer);
    for (const connection of [this.#current, this.#next]) connection?.close();
    this.#current = this.#next = null;
  }

  #connect() {
    const { now } = this.#options;
    const connection = new Connection(this.#options, this.cursor);
    connection.read({
      opened: () => (this.stats.opened += 1),
      message: (message) => this.#receive(connection, message),
      received: (bytes) => {
        this.stats.bytes += bytes;
        if (now() - connection.openedAt >= PROVED) this.#attempt = 0;
      },
    }).then((end) => end && this.#ended(connection, end));
    return connection;
  }

  /**
   * @param {Connection} connection
   * @param {Message} message
   */
  #receive(connection, { type, data, id }) {
    if (type !== "message") return;
    let envelope;
    try {
      envelope = JSON.parse(data);
    } catch {
      return;
    }
    const name = String(envelope?.event);
    if (connection === this.#current || name === "connected") this.#follow(connection, name, envelope, id);
  }

  /**
   * Take an envelope, in the order of the stream.
   * @param {Connection} connection
   * @param {string} name
   * @param {Envelope} envelope
   * @param {string} id
   */
  #follow(connection, name, envelope, id) {
    const item = isItem(name);
    if (item && id && compareCursors(id, this.cursor) <= 0) {
      this.stats.duplicates += 1;
      return this.#replayed();
    }
    if (name === "connected") this.#connected(connection, envelope);
    else if (name === "reset") this.stats.resets += 1;
    else if (name === "heartbeat") this.stats.heartbeatAt = this.#options.now();
    if (name === "reset") this.cursor = id || envelope.head || this.cursor;
    else if (id && connection.trusted && compareCursors(id, this.cursor) > 0) this.cursor = id;
    if (name === "reset") connection.trusted = true;
    this.stats.events[name] = (this.stats.events[name] ?? 0) + 1;
    for (const kind of [name, "event"]) this.#dispatch(kind, { ...envelope, cursor: id });
    if (connection.ended) return;
    if (item) this.#attempt = 0;
    if (item) this.#replayed();
    else if (name === "heartbeat" || name === "reset") this.#replayed(Infinity);
    else if (name === "rotate") this.#rotate(connection);
    else if (name === "busy") connection.end = { reason: "the server is busy", wait: connection.parser.retry ?? 5000 };
    else if (name === "bye") this.close(envelope.reason ?? "the server said goodbye");
  }

  /**
   * @param {Connection} connection
   * @param {Envelope} envelope
   */
  #connected(connection, envelope) {
    if (connection === this.#next) {
      this.#current?.close();
      this.#current = connection;
      this.#next = null;
      this.stats.rotations += 1;
    }
    // If the server cannot resume from our cursor, we keep it until `reset` came: were the connection lost before that,
    // the next one would ask with it again.
    connection.trusted = envelope.resumed || !connection.asked;
    connection.heartbeat = envelope.heartbeat > 0 ? envelope.heartbeat : 30;
    this.#replay = envelope.replay ?? 0;
    if (this.#replay) this.#become("catching_up", this.#replay === 1 ? "one event was missed" : `${this.#replay} events were missed`);
    else this.#become("live", "");
  }

  #replayed(count = 1) {
    if (this.state.name !== "catching_up") return;
    this.#replay -= count;
    if (this.#replay <= 0) this.#become("live", "");
  }

  /** Open the next stream while this one still sends; wait if the server asks for it too often. @param {Connection} connection */
  #rotate(connection) {
    if (this.#next) return;
    const wait = this.#options.now() - connection.openedAt < SETTLED ? backoff(this.#attempt++, this.#options.random) : 0;
    this.#timer = this.#options.setTimeout(() => {
      if (connection === this.#current && !this.#next) this.#next = this.#connect();
    }, wait);
  }

  /**
   * @param {Connection} connection
   * @param {End} end
   */
  #ended(connection, end) {
    if (connection === this.#next) this.#next = null;
    else if (connection === this.#current && this.#next) {
      [this.#current, this.#next] = [this.#next, null];
    } else if (connection === this.#current) this.#lost(end.reason, end);
  }

  /**
   * @param {string} reason
   * @param {Partial<End>} end
   */
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

  /**
   * @param {StateName} name
   * @param {string} reason
   * @param {number} delay milliseconds
   */
  #retry(name, reason, delay) {
    const { now, setTimeout: later } = this.#options;
    this.#become(name, reason, now() + delay);
    this.#timer = later(() => this.#open(reason), delay);
  }

  /** Act at once on what the browser knows of the network: offline, back online, awake again. */
  #listen() {
    const { page } = this.#options;
    if (this.#listening || !page.addEventListener) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const wake = () => {
      const connection = this.#current;
      if (page.document?.visibilityState === "hidden") return;
      if (connection?.overdue) this.#open("the page slept");
      else if (["reconnecting", "offline"].includes(this.state.name)) this.#soon();
    };
    // A connection without a network is silent for a minute. If the server can be reached all the same, a new try finds it at once.
    const onOffline = () => this.#current && ["connecting", "live", "catching_up"].includes(this.state.name) && this.#lost("the network is gone");
    page.addEventListener("offline", onOffline, { signal });
    page.addEventListener("online", wake, { signal });
    page.addEventListener("pageshow", wake, { signal });
    page.document?.addEventListener("visibilitychange", wake, { signal });
  }

  /** Bring the next try forward to at most a second from now. */
  #soon() {
    const { random, now, clearTimeout: cancel, setTimeout: later } = this.#options;
    const delay = random() * 1000;
    if (this.#notBefore > now() || (this.state.retryAt ?? 0) - now() <= delay) return;
    cancel(this.#timer);
    this.#timer = later(() => this.#open(this.state.reason), delay);
  }

  /**
   * @param {StateName} name
   * @param {string} reason
   * @param {number | null} retryAt milliseconds since 1970
   */
  #become(name, reason, retryAt = null) {
    const was = this.state;
    if (was.name === name && was.reason === reason && was.retryAt === retryAt) return;
    this.state = { name, reason, retryAt, since: was.name === name ? was.since : this.#options.now() };
    this.#dispatch("state", this.state);
  }

  /**
   * @param {string} name
   * @param {unknown} detail
   */
  #dispatch(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

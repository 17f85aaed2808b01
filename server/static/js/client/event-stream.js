/** How the client of the stream reads, waits and compares. Clock and network are parameters. */

/**
 * @typedef {{ type: string, data: string, id: string }} Message
 *
 * @typedef {object} End what the end of a response means
 * @property {string} reason
 * @property {number} [wait] milliseconds that the server asks for
 * @property {"signed_out" | "stopped" | ""} [stop] the state in which no further try makes sense
 *
 * @typedef {object} Listener is called while a response is read
 * @property {() => void} opened
 * @property {(bytes: number) => void} received
 * @property {(message: Message) => void} message
 *
 * @typedef {Omit<Required<import("./stream.js").Options>, "page"> & { page: any }} Options with all defaults
 */

// Milliseconds: the first and the longest upper bound of the wait before another try.
const SHORTEST = 500;
const LONGEST = 30_000;
// Milliseconds that an answer and its first event may take.
const TIMEOUT = 20_000;
// Milliseconds that a timer which fired late (the machine slept) still waits for bytes that are already in the socket.
const GRACE = 5_000;
// Characters that one line of the stream may have.
const LONGEST_LINE = 1_000_000;

/** Parses bytes into messages, as the HTML standard (9.2.6) interprets an event stream. */
export class EventStreamParser {
  /** The last id, "" before the first; a block without data changes it too. */
  lastEventId = "";
  /** @type {number | null} Milliseconds of the last `retry`, null before one. */
  retry = null;
  #decoder = new TextDecoder();
  #line = "";
  #afterReturn = false;
  #block = { data: "", type: "", id: "" };

  /**
   * @param {Uint8Array} bytes
   * @returns the messages that the bytes completed
   */
  push(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    /** @type {Message[]} */
    const messages = [];
    if (!text) return messages;
    if (this.#afterReturn && text[0] === "\n") text = text.slice(1);
    this.#afterReturn = text ? text.endsWith("\r") : false;
    const lines = (this.#line + text).split(/\r\n|\n|\r/);
    this.#line = lines.pop() ?? "";
    for (const line of lines) this.#take(line, messages);
    if (this.#line.length > LONGEST_LINE) throw new Error("a line of the stream is too long");
    return messages;
  }

  /**
   * @param {string} line
   * @param {Message[]} messages
   */
  #take(line, messages) {
    if (line === "") return this.#dispatch(messages);
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.#block.data += `${value}\n`;
    else if (field === "event") this.#block.type = value;
    else if (field === "id" && !value.includes("\0")) this.#block.id = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.retry = Number(value);
  }

  /** @param {Message[]} messages */
  #dispatch(messages) {
    const { data, type, id } = this.#block;
    this.lastEventId = id;
    this.#block = { data: "", type: "", id };
    if (data) messages.push({ type: type || "message", data: data.slice(0, -1), id });
  }
}

/**
 * Return a random wait, up to a bound that doubles with each attempt (full jitter).
 * @param {number} attempt
 * @param {() => number} random
 * @param {number} least the first bound
 * @returns milliseconds
 */
export function backoff(attempt, random = Math.random, least = 0) {
  return random() * Math.min(LONGEST, Math.max(least, SHORTEST * 2 ** Math.min(attempt, 10)));
}

/**
 * Compare two cursors, `<epoch>-<n>`; "" comes before all.
 * @param {string} a
 * @param {string} b
 * @returns a number below 0 when `a` comes before `b`
 */
export function compareCursors(a, b) {
  if (!a || !b) return a.length - b.length;
  const [epochA, nA] = a.split("-").map(Number);
  const [epochB, nB] = b.split("-").map(Number);
  return epochA - epochB || nA - nB;
}

/** Return the epoch of a cursor, 0 for "". @param {string} cursor */
export const epochOf = (cursor) => Number(cursor.split("-")[0]);

/** Return whether an event is of the feed: those come once and in order. Others are of the stream itself. @param {string} event */
export const isItem = (event) => event.includes("workitem");

/**
 * Return the milliseconds that a `Retry-After` asks for, 0 without one.
 * @param {string | null | undefined} value seconds or a date
 * @param {number} now
 */
export function retryAfter(value, now) {
  if (!value) return 0;
  const wait = /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(wait) ? Math.max(0, wait) : 0;
}

/**
 * Return what an answer means that is no event stream, null when it is one.
 * @param {Response} answer
 * @param {number} now
 * @returns {End | null}
 */
export function refused(answer, now) {
  const { status } = answer;
  if (status === 401) return { reason: "you are signed out", stop: "signed_out" };
  if (status === 403) return { reason: "you have no right to read the queue", stop: "signed_out" };
  if (status === 204) return { reason: "the server has no stream for us", stop: "stopped" };
  const wait = retryAfter(answer.headers.get("Retry-After"), now);
  if (status === 429) return { reason: "too many connections", wait };
  if (status === 503) return { reason: "the server is busy", wait };
  if (status !== 200) return { reason: `the server answered ${status}`, wait };
  const type = answer.headers.get("Content-Type") ?? "";
  return type.startsWith("text/event-stream") ? null : { reason: "the answer is no event stream" };
}

/** One HTTP response, read to its end or until nothing came for too long. */
export class Connection {
  parser = new EventStreamParser();
  ended = false;
  /** Whether its cursors can be resumed from. */
  trusted = false;
  /** When the response began; milliseconds since 1970. */
  openedAt = 0;
  /** Seconds between two heartbeats, 0 until the server says so. */
  heartbeat = 0;
  /** @type {End | null} What its end will mean, if the server said so before. */
  end = null;
  #options;
  #abort = new AbortController();
  /** @type {unknown} */
  #watchdog = null;
  #heardAt;
  // When the watchdog acts, and how many milliseconds without bytes it waits.
  #due = 0;
  #timeout = 0;
  /** @type {string | null} */
  #silence = null;

  /**
   * @param {Options} options
   * @param {string} asked the cursor to resume from
   */
  constructor(options, asked) {
    this.#options = options;
    this.asked = asked;
    this.#heardAt = options.now();
    this.#watch(TIMEOUT);
  }

  /**
   * Read the response to its end.
   * @param {Listener} listener
   * @returns {Promise<End | null>} what the end means, null when it was closed here
   */
  async read(listener) {
    try {
      const end = await this.#read(listener);
      return this.ended ? null : end;
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      return this.ended ? null : { reason: this.#silence ?? `the connection failed (${words})` };
    } finally {
      this.close();
    }
  }

  close() {
    this.ended = true;
    this.#options.clearTimeout(this.#watchdog);
    this.#abort.abort();
  }

  /** Whether nothing came for too long already; timers of a hidden page may be late. */
  get overdue() {
    return this.#options.now() - this.#heardAt > this.#timeout;
  }

  /** Do what is overdue when a timer slept. */
  look() {
    if (this.#options.now() - this.#due <= GRACE) return;
    if (this.#timeout > GRACE) this.#watch(GRACE, false);
    else this.#giveUp();
  }

  /** @param {Listener} listener @returns {Promise<End | null>} */
  async #read(listener) {
    const { url, getToken, fetch: get, now } = this.#options;
    const token = await getToken?.();
    /** @type {Record<string, string>} */
    const headers = { Accept: "text/event-stream", "X-Tubepost-Client": "1" };
    if (token) headers.Authorization = `Bearer ${token}`;
    if (this.asked) headers["Last-Event-ID"] = this.asked;
    const { signal } = this.#abort;
    const answer = await get(url, { headers, signal, cache: "no-store", credentials: "same-origin" });
    const refusal = refused(answer, now());
    if (refusal) {
      answer.body?.cancel().catch(() => {});
      return refusal;
    }
    this.openedAt = now();
    listener.opened();
    if (!answer.body) return { reason: "the answer has no body" };
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (this.ended) return null;
      if (done) return this.end ?? { reason: "the server ended the stream" };
      this.#heardAt = now();
      listener.received(value.byteLength);
      for (const message of this.parser.push(value)) {
        listener.message(message);
        if (this.ended) return null;
      }
      if (this.heartbeat) this.#watch(2500 * this.heartbeat);
    }
  }

  /**
   * Give up when nothing came for some time.
   * @param {number} wait milliseconds
   * @param {boolean} grace whether a timer that fires late waits once more
   */
  #watch(wait, grace = true) {
    const { now, setTimeout: later, clearTimeout: cancel } = this.#options;
    cancel(this.#watchdog);
    this.#timeout = wait;
    const due = (this.#due = now() + wait);
    this.#watchdog = later(() => {
      if (grace && now() - due > GRACE) this.#watch(GRACE, false);
      else this.#giveUp();
    }, wait);
  }

  #giveUp() {
    this.#silence = `nothing was heard for ${Math.round((this.#options.now() - this.#heardAt) / 1000)} s`;
    this.#abort.abort();
  }
}

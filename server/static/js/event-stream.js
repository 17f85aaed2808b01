/** How the client of the stream reads, waits and compares. It has no clock and no network but those that it is given. */

// Milliseconds: the first and the longest upper bound of the wait before another try.
const SHORTEST = 500;
const LONGEST = 30_000;
// Milliseconds that an answer and its first event may take.
const PATIENCE = 20_000;
// Milliseconds that a timer which fired late (the machine slept) still waits for bytes that lie in the socket.
const GRACE = 5_000;
// Characters that one line of the stream may have.
const LONGEST_LINE = 1_000_000;

/** Bytes in, messages out, as the HTML standard (9.2.6) interprets an event stream. */
export class EventStreamParser {
  /** The last id given, "" before the first; moves also on a block without data. */
  lastEventId = "";
  /** Milliseconds of the last `retry`, null before one. */
  retry = null;
  #decoder = new TextDecoder();
  #line = "";
  #afterReturn = false;
  #block = { data: "", type: "", id: "" };

  /** @returns {{type: string, data: string, id: string}[]} what the bytes completed */
  push(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    const messages = [];
    if (!text) return messages;
    if (this.#afterReturn && text[0] === "\n") text = text.slice(1);
    this.#afterReturn = text ? text.endsWith("\r") : false;
    const lines = (this.#line + text).split(/\r\n|\n|\r/);
    this.#line = lines.pop();
    for (const line of lines) this.#take(line, messages);
    if (this.#line.length > LONGEST_LINE) throw new Error("a line of the stream is too long");
    return messages;
  }

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

  #dispatch(messages) {
    const { data, type, id } = this.#block;
    this.lastEventId = id;
    this.#block = { data: "", type: "", id };
    if (data) messages.push({ type: type || "message", data: data.slice(0, -1), id });
  }
}

/** Full jitter: anything up to a bound that doubles with each attempt. Milliseconds. */
export function backoff(attempt, random = Math.random, least = 0) {
  return random() * Math.min(LONGEST, Math.max(least, SHORTEST * 2 ** Math.min(attempt, 10)));
}

/** Below 0 when cursor `a` comes before `b`. Cursors are `<epoch>-<n>`; "" comes before all. */
export function compareCursors(a, b) {
  if (!a || !b) return a.length - b.length;
  const [epochA, nA] = a.split("-").map(Number);
  const [epochB, nB] = b.split("-").map(Number);
  return epochA - epochB || nA - nB;
}

/** The life of the feed that a cursor belongs to, 0 for "". */
export const epochOf = (cursor) => Number(cursor.split("-")[0]);

/** Whether an event is one of the feed's, which come once and in order; the others are of the stream itself. */
export const isItem = (event) => event.includes("workitem");

/** Milliseconds that a `Retry-After` asks for, 0 without one. Seconds or a date. */
export function retryAfter(value, now) {
  if (!value) return 0;
  const wait = /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(wait) ? Math.max(0, wait) : 0;
}

/** What an answer that is no event stream means, null when it is one. */
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

/** One response, read to its end or until nothing is heard. */
export class Line {
  parser = new EventStreamParser();
  ended = false;
  openedAt = null;
  /** Seconds between two heartbeats, once they were announced. */
  heartbeat = 0;
  /** What its end will mean, once the server said so. */
  loss = null;
  #options;
  #abort = new AbortController();
  #watchdog = null;
  #heardAt;
  #due;
  #patience;
  #silent = null;

  /** `asked` is the cursor to go on from. */
  constructor(options, asked) {
    this.#options = options;
    this.asked = asked;
    this.#heardAt = options.now();
    this.#watch(PATIENCE);
  }

  /**
   * @param tell `opened()`, `received(bytes)` and `message(message)` are called as it goes on
   * @returns what the end means: {reason, wait?, stop?}; null when it was hung up
   */
  async read(tell) {
    try {
      const loss = await this.#read(tell);
      return this.ended ? null : loss;
    } catch (error) {
      return this.ended ? null : { reason: this.#silent ?? `the connection failed (${error.message})` };
    } finally {
      this.hangUp();
    }
  }

  hangUp() {
    this.ended = true;
    this.#options.clearTimeout(this.#watchdog);
    this.#abort.abort();
  }

  /** Whether it was silent for too long already, whatever its timers say. */
  get overdue() {
    return this.#options.now() - this.#heardAt > this.#patience;
  }

  /** Do what a timer that sleeps left undone. */
  look() {
    if (this.#options.now() - this.#due <= GRACE) return;
    if (this.#patience > GRACE) this.#watch(GRACE, false);
    else this.#giveUp();
  }

  async #read(tell) {
    const { url, getToken, fetch: get, now } = this.#options;
    const token = await getToken?.();
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
    tell.opened();
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (this.ended) return null;
      if (done) return this.loss ?? { reason: "the server ended the stream" };
      this.#heardAt = now();
      tell.received(value.byteLength);
      for (const message of this.parser.push(value)) {
        tell.message(message);
        if (this.ended) return null;
      }
      if (this.heartbeat) this.#watch(2500 * this.heartbeat);
    }
  }

  /** Give up when nothing was heard for `wait` ms. */
  #watch(wait, grace = true) {
    const { now, setTimeout: later, clearTimeout: cancel } = this.#options;
    cancel(this.#watchdog);
    this.#patience = wait;
    const due = (this.#due = now() + wait);
    this.#watchdog = later(() => {
      if (grace && now() - due > GRACE) this.#watch(GRACE, false);
      else this.#giveUp();
    }, wait);
  }

  #giveUp() {
    this.#silent = `nothing was heard for ${Math.round((this.#options.now() - this.#heardAt) / 1000)} s`;
    this.#abort.abort();
  }
}

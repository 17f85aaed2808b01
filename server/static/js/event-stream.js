/** How the client of the stream reads, waits and compares; pure, no clock and no network. */

// Milliseconds: the first and the longest upper bound of the wait before another try.
const SHORTEST = 500;
const LONGEST = 30_000;
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

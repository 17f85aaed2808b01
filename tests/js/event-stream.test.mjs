import assert from "node:assert/strict";
import { test } from "node:test";
import { EventStreamParser, backoff, compareCursors, retryAfter } from "../../server/static/js/client/event-stream.js";

const bytes = (text) => new TextEncoder().encode(text);

function parse(...chunks) {
  const parser = new EventStreamParser();
  return chunks.flatMap((chunk) => parser.push(typeof chunk === "string" ? bytes(chunk) : chunk));
}

test("all three line ends end a line", () => {
  for (const end of ["\n", "\r", "\r\n"]) {
    const found = parse(["id: 1-1", "data: a", "data: b", "", ""].join(end));
    assert.deepEqual(found, [{ type: "message", data: "a\nb", id: "1-1" }]);
  }
});

test("a message split at any byte is the same message", () => {
  const whole = bytes("\uFEFF: hello\r\n\r\nretry: 2731\r\nid: 7-9\r\ndata: {\"a\":\"é😀\"}\r\ndata: x\r\n\r\ndata: 2\r\n\r\n");
  const expected = parse(whole);
  assert.equal(expected.length, 2);
  assert.equal(expected[0].data, "{\"a\":\"é😀\"}\nx");
  for (let cut = 1; cut < whole.length; cut += 1) {
    assert.deepEqual(parse(whole.slice(0, cut), whole.slice(cut)), expected, `cut at ${cut}`);
  }
  assert.deepEqual(parse(...[...whole].map((byte) => Uint8Array.of(byte))), expected);
});

test("a carriage return at the end of a chunk and a line feed at the start of the next are one line end", () => {
  assert.deepEqual(parse("data: a\r", "\ndata: b\r", "\n\r", "\n").map((m) => m.data), ["a\nb"]);
});

test("one blank after the colon belongs to the format, the second to the value", () => {
  assert.deepEqual(parse("data:a\ndata: b\ndata:  c\ndata\n\n").map((m) => m.data), ["a\nb\n c\n"]);
});

test("a byte order mark is skipped only at the very start", () => {
  assert.equal(parse("\uFEFFdata: a\n\n")[0].data, "a");
  assert.equal(parse("data: a\n\n\uFEFFdata: b\n\n").length, 1);
});

test("comments, unknown fields and unfinished blocks give no event", () => {
  assert.deepEqual(parse(": hi\n\nfoo: bar\n\ndata: unfinished\n"), []);
});

test("an id without data changes the cursor, an id with NUL does not", () => {
  const parser = new EventStreamParser();
  assert.deepEqual(parser.push(bytes("id: 5-1\n\n")), []);
  assert.equal(parser.lastEventId, "5-1");
  parser.push(bytes("id: 6\0-1\n\n"));
  assert.equal(parser.lastEventId, "5-1");
  assert.equal(parser.push(bytes("data: x\n\n"))[0].id, "5-1");
});

test("retry accepts digits only", () => {
  const parser = new EventStreamParser();
  parser.push(bytes("retry: 2731\nretry: 1e3\nretry: -4\nretry:\n\n"));
  assert.equal(parser.retry, 2731);
});

test("a name belongs to its own event and not to the next", () => {
  assert.deepEqual(parse("event: ping\ndata: 1\n\ndata: 2\n\n").map((m) => m.type), ["ping", "message"]);
});

test("an endless line is an error before it uses much memory", () => {
  const parser = new EventStreamParser();
  assert.throws(() => {
    for (let n = 0; n < 30; n += 1) parser.push(bytes("x".repeat(50_000)));
  }, /too long/);
});

test("the wait has full jitter, doubles from 0.5 s and ends at 30 s", () => {
  const bounds = [0, 1, 2, 3, 4, 5, 6, 7, 2000].map((attempt) => backoff(attempt, () => 1));
  assert.deepEqual(bounds, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  assert.equal(backoff(9, () => 0), 0);
  assert.equal(backoff(0, () => 0.5, 4000), 2000);
});

test("cursors are compared by epoch, then by number, not as text", () => {
  assert.ok(compareCursors("1763811111111-9", "1763811111111-10") < 0);
  assert.ok(compareCursors("1763811111112-1", "1763811111111-900") > 0);
  assert.ok(compareCursors("", "0-1") < 0);
  assert.equal(compareCursors("5-5", "5-5"), 0);
});

test("Retry-After is read as seconds or as a date, and an invalid one is ignored", () => {
  assert.equal(retryAfter("2.5", 0), 2500);
  assert.equal(retryAfter("Thu, 01 Jan 1970 00:00:10 GMT", 4000), 6000);
  assert.equal(retryAfter("soon", 0), 0);
  assert.equal(retryAfter(null, 0), 0);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkItemStream } from "../../server/static/js/client/stream.js";
import { Clock, Server, connected, frame, item, letPromisesResolve } from "./clock.mjs";

function begin({ answers = [], random = () => 0.5, ...more } = {}) {
  const clock = new Clock();
  const server = new Server();
  server.answers = answers;
  const { setTimeout, clearTimeout } = clock;
  const events = [];
  const stream = new WorkItemStream({
    fetch: server.fetch, now: () => clock.now, setTimeout, clearTimeout, random, page: {}, ...more,
  });
  stream.addEventListener("event", ({ detail }) => events.push(detail));
  stream.start();
  return { clock, server, stream, events, items: () => events.filter((e) => e.event === "new_workitem").map((e) => e.cursor) };
}

test("it opens with its cursor and its client name, and becomes live when connected", async () => {
  const { server, stream } = begin({ cursor: "5-41", getToken: () => "secret" });
  await letPromisesResolve();
  assert.equal(stream.state.name, "connecting");
  assert.deepEqual(server.last.headers, {
    Accept: "text/event-stream", "X-Tubepost-Client": "1", Authorization: "Bearer secret", "Last-Event-ID": "5-41",
  });
  server.last.write(connected("5-41"));
  await letPromisesResolve();
  assert.equal(stream.state.name, "live");
  stream.close();
});

test("it receives missed events first, then it is live", async () => {
  const { server, stream, items } = begin({ cursor: "5-1" });
  await letPromisesResolve();
  server.last.write(connected("5-1", { replay: 2 }));
  await letPromisesResolve();
  assert.equal(stream.state.name, "catching_up");
  server.last.write(item("5-2") + item("5-3"));
  await letPromisesResolve();
  assert.equal(stream.state.name, "live");
  assert.deepEqual(items(), ["5-2", "5-3"]);
  stream.close();
});

test("after a loss it reconnects from the last cursor, which heartbeats also move", async () => {
  const { clock, server, stream } = begin();
  await letPromisesResolve();
  server.last.write(connected("5-1", { resumed: false }) + frame({ event: "heartbeat" }, "5-9"));
  await letPromisesResolve();
  server.last.end();
  await letPromisesResolve();
  assert.equal(stream.state.name, "reconnecting");
  assert.equal(stream.state.retryAt, clock.now + 250);
  await clock.pass(250);
  assert.equal(server.last.headers["Last-Event-ID"], "5-9");
  stream.close();
});

test("a stream that began before the very first event reconnects from there", async () => {
  const { clock, server, stream } = begin();
  await letPromisesResolve();
  server.last.write(connected("0-0", { resumed: false }));
  await letPromisesResolve();
  server.last.end();
  await clock.pass(1000);
  assert.equal(server.last.headers["Last-Event-ID"], "0-0");
  stream.close();
});

test("streams that open and close at once wait longer each time; a real event makes the wait short again", async () => {
  const { clock, server, stream } = begin();
  const waits = [];
  for (let n = 0; n < 4; n += 1) {
    await letPromisesResolve();
    server.last.write(connected("5-1", { resumed: false }));
    server.last.end();
    await letPromisesResolve();
    waits.push(stream.state.retryAt - clock.now);
    await clock.pass(waits.at(-1));
  }
  assert.deepEqual(waits, [250, 500, 1000, 2000]);
  server.last.write(connected("5-1") + item("5-2"));
  await letPromisesResolve();
  server.last.end();
  await letPromisesResolve();
  assert.equal(stream.state.retryAt - clock.now, 250);
  stream.close();
});

test("a quiet stream counts as usable after a minute", async () => {
  const { clock, server, stream } = begin({ answers: [{ error: "refused" }, { error: "refused" }] });
  await clock.pass(1000);
  assert.equal(server.requests.length, 3);
  server.last.write(connected("5-1", { resumed: false }));
  for (let beat = 0; beat < 2; beat += 1) {
    await clock.pass(30_000);
    server.last.write(frame({ event: "heartbeat" }, "5-1"));
  }
  await letPromisesResolve();
  server.last.end();
  await letPromisesResolve();
  assert.equal(stream.state.retryAt - clock.now, 250);
  stream.close();
});

test("silence of two and a half heartbeats is a loss, and any byte ends the silence", async () => {
  const { clock, server, stream } = begin();
  await letPromisesResolve();
  server.last.write(connected("5-1", { resumed: false, heartbeat: 2 }));
  await clock.pass(4900);
  server.last.write(": still here\n\n");
  await clock.pass(4900);
  assert.equal(stream.state.name, "live");
  await clock.pass(200);
  assert.equal(stream.state.name, "reconnecting");
  assert.match(stream.state.reason, /nothing was heard for 5 s/);
  assert.equal(server.requests[0].open, false);
  stream.close();
});

test("after sleep the client waits a moment for bytes in its socket before it closes", async () => {
  const { clock, server, stream } = begin();
  await letPromisesResolve();
  server.last.write(connected("5-1", { resumed: false }));
  await letPromisesResolve();
  clock.sleep(600_000);
  await clock.pass(10);
  assert.equal(stream.state.name, "live");
  server.last.write(frame({ event: "heartbeat" }, "5-2"));
  await clock.pass(20_000);
  assert.equal(stream.state.name, "live");
  stream.close();
});

test("look() does what late timers have not done yet, but nothing early", async () => {
  const { clock, server, stream } = begin();
  await letPromisesResolve();
  server.last.write(connected("5-1", { resumed: false }));
  await letPromisesResolve();
  clock.sleep(600_000);
  stream.look();
  assert.equal(stream.state.name, "live");
  clock.sleep(11_000);
  stream.look();
  await letPromisesResolve();
  assert.equal(stream.state.name, "reconnecting");
  assert.match(stream.state.reason, /nothing was heard for 611 s/);
  stream.look();
  assert.equal(stream.state.name, "reconnecting");
  clock.sleep(300);
  stream.look();
  assert.equal(stream.state.name, "connecting");
  stream.close();
});

test("rotate opens the next stream first and closes the old one when the next is connected", async () => {
  const { clock, server, stream, items } = begin();
  await letPromisesResolve();
  const [old] = server.requests;
  old.write(connected("5-1", { resumed: false }));
  await clock.pass(20_000);
  old.write(frame({ event: "rotate" }));
  await clock.pass(0);
  assert.equal(server.requests.length, 2);
  old.write(item("5-2"));
  await letPromisesResolve();
  assert.equal(old.open, true);
  assert.equal(server.last.headers["Last-Event-ID"], "5-1");
  server.last.write(connected("5-1", { replay: 1 }) + item("5-2") + item("5-3"));
  await letPromisesResolve();
  assert.equal(old.open, false);
  assert.deepEqual(items(), ["5-2", "5-3"]);
  assert.equal(stream.stats.duplicates, 1);
  assert.equal(stream.state.name, "live");
  assert.equal(stream.cursor, "5-3");
  stream.close();
});

test("a server that rotates at once does not get requests without a pause", async () => {
  const { clock, server, stream } = begin();
  for (let n = 0; n < 40; n += 1) {
    await clock.pass(250);
    if (server.last.rotated) continue;
    server.last.write(connected("5-1") + frame({ event: "rotate" }));
    server.last.rotated = true;
  }
  assert.ok(server.requests.length <= 7, `${server.requests.length} requests in 10 s`);
  stream.close();
});

test("reset takes the new head, even a lower one, and the stream continues", async () => {
  const { server, stream, events, items } = begin({ cursor: "9-9" });
  await letPromisesResolve();
  server.last.write(connected("5-7", { resumed: false }));
  await letPromisesResolve();
  assert.equal(stream.cursor, "9-9", "until the reset the old cursor stays: a loss now must ask again");
  server.last.write(frame({ event: "reset", reason: "unknown", head: "5-7" }, "5-7") + item("5-8"));
  await letPromisesResolve();
  assert.deepEqual(events.map((e) => e.event), ["connected", "reset", "new_workitem"]);
  assert.deepEqual(items(), ["5-8"]);
  assert.equal(stream.cursor, "5-8");
  assert.equal(stream.stats.resets, 1);
  stream.close();
});

test("401 and 403 stop the stream, and its state says so", async () => {
  for (const status of [401, 403]) {
    const { clock, server, stream } = begin({ answers: [{ status }] });
    await clock.pass(600_000);
    assert.equal(stream.state.name, "signed_out");
    assert.ok(stream.state.reason);
    assert.equal(server.requests.length, 1);
    stream.close();
  }
});

test("503 and 429 wait at least what Retry-After asks for, and longer by chance only", async () => {
  for (const [status, chance, wait] of [[503, 0, 20_000], [429, 1, 30_000]]) {
    const answers = [{ status, headers: { "Retry-After": "20" } }];
    const { clock, stream } = begin({ answers, random: () => chance });
    await letPromisesResolve();
    assert.equal(stream.state.retryAt - clock.now, wait);
    stream.close();
  }
});

test("after busy it reconnects no sooner than the server's retry, after bye and 204 never", async () => {
  const { clock, server, stream } = begin({ random: () => 0 });
  await letPromisesResolve();
  server.last.write("retry: 7000\n\n" + frame({ event: "busy" }));
  server.last.end();
  await letPromisesResolve();
  assert.equal(stream.state.retryAt - clock.now, 7000);
  await clock.pass(7000);
  server.last.write(connected("5-1", { resumed: false }) + frame({ event: "bye" }));
  await clock.pass(600_000);
  assert.equal(stream.state.name, "stopped");
  assert.equal(server.requests.length, 2);
  const other = begin({ answers: [{ status: 204 }] });
  await other.clock.pass(600_000);
  assert.equal(other.stream.state.name, "stopped");
  assert.equal(other.server.requests.length, 1);
});

test("a response that is no event stream is a temporary failure", async () => {
  const { stream } = begin({ answers: [{ type: "text/html" }] });
  await letPromisesResolve();
  assert.equal(stream.state.name, "reconnecting");
  assert.match(stream.state.reason, /no event stream/);
  stream.close();
});

test("back online it reconnects within a second, but never before a Retry-After", async () => {
  const page = new EventTarget();
  page.navigator = { onLine: false };
  const { clock, server, stream } = begin({ page, answers: [{ error: "down" }, { error: "down" }, { error: "down" },
    { error: "down" }, { error: "down" }, { status: 503, headers: { "Retry-After": "100" } }] });
  await clock.pass(4000);
  assert.equal(stream.state.name, "offline");
  const before = server.requests.length;
  page.dispatchEvent(new Event("online"));
  await clock.pass(1000);
  assert.equal(server.requests.length, before + 1);
  assert.match(stream.state.reason, /busy/);
  page.dispatchEvent(new Event("online"));
  await clock.pass(90_000);
  assert.equal(server.requests.length, before + 1);
  stream.close();
});

test("a lost network is reported at once, and a server that is still reachable is found", async () => {
  const page = new EventTarget();
  page.navigator = { onLine: true };
  const { clock, server, stream } = begin({ page });
  await letPromisesResolve();
  server.last.write(connected("5-1"));
  await letPromisesResolve();
  page.navigator.onLine = false;
  page.dispatchEvent(new Event("offline"));
  assert.equal(stream.state.name, "offline");
  assert.equal(server.last.open, false);
  const waits = stream.state.retryAt;
  page.dispatchEvent(new Event("offline"));
  assert.equal(stream.state.retryAt, waits);
  await clock.pass(1000);
  server.last.write(connected("5-1"));
  await letPromisesResolve();
  assert.equal(stream.state.name, "live");
  stream.close();
});

test("data that cannot be parsed is skipped, unknown events are dispatched", async () => {
  const { server, stream, events } = begin();
  await letPromisesResolve();
  server.last.write(connected("5-1") + "data: {broken\n\n" + "event: ping\ndata: 1\n\n" + frame({ event: "weather" }));
  await letPromisesResolve();
  assert.deepEqual(events.map((e) => e.event), ["connected", "weather"]);
  stream.close();
});

test("dropped by hand it reconnects, closed it does not", async () => {
  const { clock, server, stream } = begin();
  await letPromisesResolve();
  server.last.write(connected("5-1"));
  await letPromisesResolve();
  stream.drop();
  assert.equal(stream.state.name, "reconnecting");
  await clock.pass(1000);
  assert.equal(server.requests.length, 2);
  stream.close();
  await clock.pass(100_000);
  assert.equal(server.requests.length, 2);
  assert.equal(server.last.open, false);
});

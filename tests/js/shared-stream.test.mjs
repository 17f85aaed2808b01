import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, frame, item, letPromisesResolve } from "./clock.mjs";
import { Browser, agree, begin, cursors, items } from "./tabs.mjs";

const fact = (name, data) => frame({ event: name, data });

test("all tabs get every event once from one stream, and have its state", async () => {
  const { browser, server, tabs } = await begin(3);
  server.last.write(items(2, 4) + frame({ event: "heartbeat" }, "5-9"));
  await letPromisesResolve();
  assert.equal(server.requests.length, 1);
  agree(tabs, cursors(2, 4));
  for (const { stream } of tabs) {
    assert.equal(stream.cursor, "5-9");
    assert.equal(stream.state.name, "live");
    assert.equal(stream.stats.opened, 1);
    assert.deepEqual(stream.stats.events, { connected: 1, new_workitem: 3, heartbeat: 1 });
  }
  assert.equal(browser.lines.length, 1);
});

test("a tab that joins gets the events after its list, and what a new stream would send first", async () => {
  const { browser, server, tabs } = await begin(1);
  server.last.write(fact("mailbox_status", { name: "in", state: "failing" }) + items(2, 6));
  server.last.write(fact("mailbox_status", { name: "in", state: "paused" }));
  await letPromisesResolve();
  const late = browser.open({ cursor: "5-4" });
  await letPromisesResolve();
  assert.deepEqual(late.names, ["connected", "new_workitem", "new_workitem", "mailbox_status"]);
  assert.deepEqual(late.items, cursors(5, 6));
  assert.equal(late.events[0].resumed, true);
  assert.equal(late.events[0].replay, 2);
  assert.equal(late.events.at(-1).data.state, "paused");
  assert.equal(late.stream.cursor, "5-6");
  server.last.write(connected("5-6")); // a new connection, and all states are good
  await letPromisesResolve();
  const later = browser.open({ cursor: "5-6" });
  await letPromisesResolve();
  assert.deepEqual(later.names, ["connected"]);
  assert.equal(tabs[0].events.length, 9);
});

test("a tab whose list is older than the kept events gets a reset and no part of what it missed", async () => {
  const { browser, server } = await begin(1);
  server.last.write(items(2, 700));
  await letPromisesResolve();
  const late = browser.open({ cursor: "5-50" });
  await letPromisesResolve();
  assert.deepEqual(late.names, ["connected", "reset"]);
  assert.equal(late.events[1].head, "5-700");
  server.last.write(item("5-701"));
  await letPromisesResolve();
  assert.deepEqual(late.items, ["5-701"]);
  const near = browser.open({ cursor: "5-650" });
  await letPromisesResolve();
  assert.deepEqual(near.items, cursors(651, 701));
});

test("a tab without a cursor gets only later events", async () => {
  const { browser, server } = await begin(1);
  server.last.write(items(2, 3));
  await letPromisesResolve();
  const late = browser.open();
  await letPromisesResolve();
  server.last.write(item("5-4"));
  await letPromisesResolve();
  assert.deepEqual(late.items, ["5-4"]);
  assert.equal(late.stream.state.name, "live");
});

test("tabs without a cursor share a stream that has no events yet", async () => {
  const browser = new Browser();
  const tabs = [browser.open(), browser.open()];
  await letPromisesResolve();
  browser.server.last.write(connected("0-0", { resumed: false }));
  await letPromisesResolve();
  for (const { stream } of tabs) assert.equal(stream.state.name, "live");
  browser.server.last.write(item("7-1"));
  await letPromisesResolve();
  agree(tabs, ["7-1"]);
});

test("a tab that waits for a stream without a cursor joins when it has one", async () => {
  const browser = new Browser();
  const tabs = [browser.open(), browser.open({ cursor: "5-1" })];
  await browser.clock.pass(2_000);
  assert.equal(tabs[1].stream.state.name, "connecting");
  browser.server.last.write(connected("5-3", { resumed: false }));
  await browser.clock.pass(10);
  browser.server.last.write(item("5-4"));
  await letPromisesResolve();
  assert.deepEqual(tabs[0].items, ["5-4"]);
  assert.deepEqual(tabs[1].names, ["connected", "reset", "new_workitem"]);
});

test("a tab whose list is newer than the stream skips the events that the list has", async () => {
  const { browser, server } = await begin(1);
  const ahead = browser.open({ cursor: "5-3" });
  await letPromisesResolve();
  server.last.write(items(2, 4));
  await letPromisesResolve();
  assert.deepEqual(ahead.items, ["5-4"]);
  assert.equal(ahead.stream.stats.duplicates, 2);
  assert.equal(ahead.stream.cursor, "5-4");
});

test("a tab that knew events which the store lost is reset when the next epoch begins before them", async () => {
  const { browser, server, tabs } = await begin(1);
  const ahead = browser.open({ cursor: "5-9" });
  await letPromisesResolve();
  server.last.write(item("5-2") + item("6-3"));
  await letPromisesResolve();
  assert.deepEqual(ahead.names, ["connected", "reset", "new_workitem"]);
  assert.deepEqual(ahead.items, ["6-3"]);
  assert.deepEqual(tabs[0].items, ["5-2", "6-3"]);
  const later = browser.open({ cursor: "5-7" });
  await letPromisesResolve();
  assert.equal(later.names[1], "reset", "which cursors of the old epoch are good only the server knows");
});

test("a lost message between tabs is noticed and sent again", async () => {
  const { browser, clock, server, tabs } = await begin(2);
  browser.lose = 1;
  server.last.write(item("5-2"));
  await letPromisesResolve();
  server.last.write(item("5-3"));
  await clock.pass(10);
  agree(tabs, cursors(2, 3));
  browser.lose = 1;
  server.last.write(item("5-4"));
  await clock.pass(6_000);
  agree(tabs, cursors(2, 4));
});

test("a tab is not live before it has what the others have", async () => {
  const { browser, clock, server, tabs } = await begin(2);
  server.last.write(items(2, 3));
  await letPromisesResolve();
  browser.lose = 1;
  const late = browser.open({ cursor: "5-1" });
  late.stream.addEventListener("state", ({ detail }) => assert.ok(detail.name !== "live" || late.items.length === 2));
  await letPromisesResolve();
  tabs[1].page.dispatchEvent(new Event("online")); // it asks, and the leader sends all tabs the state of the connection
  await clock.pass(6_000);
  assert.equal(late.stream.state.name, "live");
  agree([late], cursors(2, 3));
});

test("signing out ends the stream of all tabs, and a start in any tab starts it for all", async () => {
  const { browser, clock, server, tabs } = await begin(3);
  server.answers = [{ status: 401 }];
  tabs[2].stream.reconnect();
  await letPromisesResolve();
  assert.deepEqual(tabs.map(({ stream }) => stream.state.name), Array(3).fill("signed_out"));
  await clock.pass(600_000);
  assert.equal(server.requests.length, 2);
  tabs[1].stream.start();
  await letPromisesResolve();
  server.last.write(connected("5-1"));
  await letPromisesResolve();
  assert.deepEqual(tabs.map(({ stream }) => stream.state.name), Array(3).fill("live"));
  server.answers = [{ status: 401 }];
  server.last.end();
  await clock.pass(1_000);
  assert.equal(tabs[1].stream.state.name, "signed_out");
  const fresh = browser.open({ cursor: "5-1" }); // a person signed in again
  await letPromisesResolve();
  server.last.write(connected("5-1"));
  await letPromisesResolve();
  for (const { stream } of [...tabs, fresh]) assert.equal(stream.state.name, "live");
});

test("an action in a follower applies to the shared stream", async () => {
  const { clock, server, tabs } = await begin(2);
  tabs[1].stream.drop();
  await letPromisesResolve();
  for (const { stream } of tabs) assert.equal(stream.state.reason, "the connection was dropped by hand");
  await clock.pass(1_000);
  server.last.write(connected("5-1"));
  await letPromisesResolve();
  tabs[1].stream.reconnect("99-9");
  await letPromisesResolve();
  assert.equal(server.last.headers["Last-Event-ID"], "99-9");
  server.last.write(connected("5-4", { resumed: false }) + frame({ event: "reset", head: "5-4" }, "5-4") + item("5-5"));
  await letPromisesResolve();
  for (const tab of tabs) {
    assert.deepEqual(tab.names.slice(-3), ["connected", "reset", "new_workitem"]);
    assert.equal(tab.stream.cursor, "5-5");
    assert.equal(tab.stream.stats.resets, 1);
    assert.equal(tab.stream.stats.reconnects, 2);
  }
  assert.equal(server.requests.filter(({ open }) => open).length, 1);
});

test("tabs that must not share have streams of their own", async () => {
  const bearer = { getToken: () => "secret" };
  for (const [one, other, streams] of [
    [{}, { url: "/sse/workitems?mailbox=claims" }, 2],
    [{ share: "ana" }, { share: "ben" }, 2],
    [bearer, bearer, 2],
    [{ ...bearer, share: () => "ana" }, { ...bearer, share: () => "ana" }, 1],
    [{ locks: undefined }, {}, 2],
    [{}, { channel: undefined }, 2],
    [{}, { share: null }, 2],
    [{}, { locks: { request: () => Promise.reject(new DOMException("no", "SecurityError")) } }, 2],
  ]) {
    const browser = new Browser();
    for (const options of [one, other]) browser.open(options);
    await letPromisesResolve();
    await letPromisesResolve();
    assert.equal(browser.lines.length, streams);
    for (const request of browser.lines) request.write(connected("5-1"));
    await letPromisesResolve();
    await browser.clock.pass(30_000);
    for (const { stream } of browser.tabs) assert.equal(stream.state.name, "live");
    assert.equal(browser.server.requests.length, streams);
  }
});

test("a message of unknown shape changes nothing", async () => {
  const { browser, clock, server, tabs } = await begin(2);
  const { name } = tabs[0].channel;
  const state = { name: "stopped", reason: "", since: 0, retryAt: null };
  for (const message of [
    null, 7, "event", [], {}, { kind: "toString" }, { kind: "event" }, { kind: "beat", term: Infinity, n: 1, state, line: {} },
    { kind: "beat", term: 2e15, n: "1", state, line: {} }, { kind: "beat", term: 2e15, n: 1, state: { ...state, reason: {} }, line: {} },
    { kind: "event", term: 2e15, n: 1, head: "x-1", envelope: { event: "new_workitem" } },
    { kind: "event", term: 2e15, n: 1, head: "5-9", envelope: { event: "new_workitem", data: "no" } },
    { kind: "answer", term: 2e15, n: 1, to: "x", head: "5-9", connected: null, missed: [{}], facts: [], state, line: {} },
    { kind: "ask", what: "close", cursor: "" }, { kind: "hello", from: "x", cursor: "<b>" },
  ]) browser.spread(null, name, message);
  await letPromisesResolve();
  server.last.write(item("5-2"));
  await clock.pass(1_000);
  agree(tabs, ["5-2"]);
  assert.equal(server.requests.length, 1);
});

test("an item that was removed for good is no longer sent to any tab", async () => {
  const { browser, server } = await begin(1);
  server.last.write(item("5-2", 1) + item("5-3", 2) + frame({ event: "workitem_removed", data: { id: "wi_1" } }, "5-4"));
  await letPromisesResolve();
  const late = browser.open({ cursor: "5-1" });
  await letPromisesResolve();
  assert.deepEqual(late.items, ["5-3", "5-4"]);
});

test("a closed tab gets no more events and does not take part", async () => {
  const { clock, server, tabs } = await begin(2);
  tabs[1].stream.close("signed out");
  server.last.write(item("5-2"));
  tabs[0].kill();
  await clock.pass(60_000);
  assert.deepEqual(tabs[1].items, []);
  assert.equal(server.requests.length, 1);
  assert.equal(tabs[1].stream.state.reason, "signed out");
});

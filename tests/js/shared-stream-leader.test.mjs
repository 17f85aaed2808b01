import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, frame, item, letPromisesResolve } from "./clock.mjs";
import { agree, begin, cursors, items } from "./tabs.mjs";

test("when a leader closes, another tab leads at once and opens from its own cursor", async () => {
  const { browser, server, tabs } = await begin(3);
  server.last.write(items(2, 3));
  await letPromisesResolve();
  tabs[0].stream.close();
  await letPromisesResolve();
  assert.equal(tabs[0].stream.state.name, "stopped");
  assert.equal(server.requests.length, 2);
  assert.equal(browser.lines.length, 1);
  assert.equal(server.last.headers["Last-Event-ID"], "5-3");
  server.last.write(connected("5-3", { replay: 2 }) + items(4, 5));
  await letPromisesResolve();
  agree(tabs.slice(1), cursors(2, 5));
  for (const { stream } of tabs.slice(1)) assert.equal(stream.state.name, "live");
});

test("a follower that lags behind the next leader gets what it missed from it", async () => {
  const { browser, clock, server, tabs } = await begin(3);
  tabs[2].freeze();
  server.last.write(items(2, 30));
  await letPromisesResolve();
  browser.lose = 1;
  server.last.write(item("5-31"));
  await letPromisesResolve();
  tabs[0].kill();
  await letPromisesResolve();
  server.last.write(connected(server.last.headers["Last-Event-ID"], { replay: 2 }) + items(31, 32));
  await letPromisesResolve();
  tabs[2].thaw();
  await clock.pass(1_000);
  agree(tabs.slice(1), cursors(2, 32));
});

test("a leader that stopped without notice is replaced within 12 s by one tab, and follows when it wakes", async () => {
  const { browser, clock, server, tabs } = await begin(3);
  server.last.write(items(2, 3));
  await letPromisesResolve();
  const [old] = server.requests;
  tabs[0].freeze();
  await clock.pass(12_000);
  assert.equal(server.requests.length, 2);
  assert.equal(server.last.headers["Last-Event-ID"], "5-3");
  server.last.write(connected("5-3", { replay: 1 }) + items(4, 5));
  await letPromisesResolve();
  agree(tabs.slice(1), cursors(2, 5));
  tabs[0].thaw();
  await clock.pass(1_000);
  assert.equal(old.open, false);
  agree(tabs, cursors(2, 5));
  server.last.write(item("5-6"));
  await clock.pass(60_000);
  agree(tabs, cursors(2, 6));
  assert.equal(server.requests.length, 2);
  assert.equal(browser.lines.length, 1);
});

test("a leader that wakes sends other tabs nothing of what was in its socket, and has it once itself", async () => {
  const { clock, server, tabs } = await begin(2);
  const [old] = server.requests;
  tabs[0].freeze();
  await clock.pass(12_000);
  server.last.write(connected("5-1", { replay: 2 }) + items(2, 3));
  await letPromisesResolve();
  old.write(items(2, 3)); // reading a response is no task of the fake tab: it is as if it woke just now
  await letPromisesResolve();
  tabs[0].thaw();
  await clock.pass(1_000);
  agree(tabs, cursors(2, 3));
});

test("a quiet leader that answers stays, for hours", async () => {
  const { clock, server, tabs } = await begin(3);
  for (let n = 0; n < 120; n += 1) {
    await clock.pass(30_000);
    server.last.write(frame({ event: "heartbeat" }, "5-1"));
  }
  await letPromisesResolve();
  assert.equal(server.requests.length, 1);
  assert.equal(tabs[2].stream.stats.events.heartbeat, 120);
});

test("a leader that sends messages is not asked whether it is alive", async () => {
  const { browser, clock, server } = await begin(3);
  browser.sent = [];
  for (let n = 0; n < 30; n += 1) {
    await clock.pass(2_000);
    server.last.write(frame({ event: "heartbeat" }, "5-1"));
  }
  assert.ok(!browser.sent.includes("ping"));
  await clock.pass(6_000);
  assert.ok(browser.sent.includes("ping"), "it must be asked when quiet for this test to mean anything");
});

test("a machine that slept gives the leader time to answer", async () => {
  const { clock, server } = await begin(3);
  for (let n = 0; n < 5; n += 1) {
    clock.sleep(3_600_000);
    await clock.pass(1_000);
    server.last.write(frame({ event: "heartbeat" }, "5-1"));
    await clock.pass(20_000);
  }
  assert.equal(server.requests.length, 1);
});

test("an answer that was missed because the machine slept is requested once more", async () => {
  const { clock, server, tabs } = await begin(3);
  tabs[0].freeze();
  await clock.pass(5_000);
  clock.sleep(3_600_000);
  await clock.pass(500);
  tabs[0].thaw();
  server.last.write(frame({ event: "heartbeat" }, "5-1"));
  await clock.pass(20_000);
  assert.equal(server.requests.length, 1);
});

test("a waiting tab that slept through its turn does not take the lead back from another", async () => {
  const { browser, clock, server, tabs } = await begin(3);
  tabs[1].freeze();
  tabs[0].kill();
  await clock.pass(12_000);
  server.last.write(connected("5-1") + items(2, 3));
  await letPromisesResolve();
  assert.deepEqual(tabs[2].items, cursors(2, 3));
  tabs[1].thaw();
  await clock.pass(1_000);
  server.last.write(connected(server.last.headers["Last-Event-ID"]));
  await clock.pass(60_000);
  agree(tabs.slice(1), cursors(2, 3));
  assert.equal(browser.lines.length, 1);
  for (const { stream } of tabs.slice(1)) assert.equal(stream.state.name, "live");
});

test("a page that enters the history cache or is frozen releases the lock first, and has everything when it is back", async () => {
  for (const [target, away, back] of [["page", "pagehide", "pageshow"], ["document", "freeze", "resume"]]) {
    const { browser, server, tabs } = await begin(2);
    const page = target === "page" ? tabs[0].page : tabs[0].page.document;
    page.dispatchEvent(new Event(away));
    tabs[0].page.document.visibilityState = "hidden";
    tabs[0].page.document.dispatchEvent(new Event("visibilitychange"));
    await letPromisesResolve();
    assert.equal(server.requests.length, 2);
    assert.equal(browser.lines.length, 1);
    server.last.write(connected("5-1", { replay: 2 }) + items(2, 3));
    await letPromisesResolve();
    assert.deepEqual(tabs[0].items, []);
    page.dispatchEvent(new Event(back));
    await letPromisesResolve();
    agree(tabs, cursors(2, 3));
    assert.equal(server.requests.length, 2);
  }
});

test("a hidden leader with throttled timers does overdue work when a tab asks", async () => {
  const { clock, server, tabs } = await begin(2);
  tabs[0].hidden = true;
  server.last.end();
  await letPromisesResolve();
  assert.equal(tabs[1].stream.state.name, "reconnecting");
  await clock.pass(6_000);
  assert.equal(server.requests.length, 2);
  server.last.write(connected("5-1"));
  await clock.pass(95_000); // and its connection has been silent since then: its watchdog sleeps
  assert.equal(server.requests.length, 3);
});

test("the next leader respects the wait that the server asked the last one for", async () => {
  const { clock, server, tabs } = await begin(2);
  server.answers = [{ status: 503, headers: { "Retry-After": "20" } }];
  server.last.end();
  await clock.pass(1_000);
  assert.equal(server.requests.length, 2);
  tabs[0].stream.close();
  await clock.pass(15_000);
  assert.equal(server.requests.length, 2);
  assert.equal(tabs[1].stream.state.name, "reconnecting");
  await clock.pass(15_000);
  assert.equal(server.requests.length, 3);
});

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Queue } from "../../server/static/js/queue/queue.js";
import { letPromisesResolve } from "./clock.mjs";

const HEAD = "1-100";

/** The server's list of items: answers `GET /api/workitems` as the API does, newest first. */
class Api {
  items = new Map();
  head = HEAD;
  requests = [];
  /** Statuses of the first responses, 0 for no response. */
  failures = [];
  /** Called before each answer. */
  before = async () => {};

  put(...items) {
    for (const each of items) this.items.set(each.id, each);
  }

  fetch = async (url) => {
    this.requests.push(url);
    await this.before(url);
    const failure = this.failures.shift();
    if (failure === 0) throw new TypeError("no network");
    if (failure) return Response.json({ error: { message: "it failed" } }, { status: failure });
    const query = new URL(url, "http://server").searchParams;
    const before = query.has("before") ? Number(query.get("before")) : Infinity;
    const limit = Number(query.get("limit"));
    const found = [...this.items.values()].filter(({ seq, status, mailbox }) => seq < before
      && (!query.get("status") || status === query.get("status")) && (!query.get("mailbox") || mailbox === query.get("mailbox")));
    const items = found.sort((a, b) => b.seq - a.seq).slice(0, limit);
    const next = found.length >= limit ? String(items.at(-1).seq) : null;
    return Response.json({ items, next, head: this.head });
  };
}

/** A list without a page: it keeps the ids of its rows, newest first. */
class FakeList {
  items = new Map();
  notes = new Map();
  rows = { list: this, get ids() { return this.list.sorted(); }, get: (id) => this.items.get(id) };

  sorted = () => [...this.items.values()].sort((a, b) => b.seq - a.seq).map(({ id }) => id);
  replace = (items) => (this.items = new Map(items.map((each) => [each.id, each])));
  arrive = (items) => items.forEach((each) => this.items.set(each.id, each));
  append = this.arrive;
  remove = (ids) => ids.forEach((id) => this.items.delete(id));
  fade = (id) => this.items.delete(id);
  update = (each, note) => {
    this.items.set(each.id, each);
    this.notes.set(each.id, note);
  };
}

const item = (n, more = {}) => ({ id: `wi_${n}`, seq: n, status: "new", mailbox: "in", version: 1, subject: `Mail ${n}`, ...more });
const many = (count, more = {}) => Array.from({ length: count }, (_, n) => item(n + 1, more));
const updated = (data, cursor) => ({ event: "workitem_updated", data, cursor });
const removed = (n, cursor) => ({ event: "workitem_removed", data: { id: `wi_${n}` }, cursor });

let api;
let list;
let queue;

beforeEach(() => {
  api = new Api();
  list = new FakeList();
  globalThis.document = { hidden: false, cookie: "" };
  globalThis.requestAnimationFrame = (draw) => setImmediate(draw);
  globalThis.fetch = api.fetch;
  queue = new Queue(list);
});

/** Load older pages until the view has them all. */
async function loadAll() {
  while (!queue.view.complete) await queue.more();
}

/** Wait until a condition is true; the deadline only ends a test that fails. */
async function until(condition) {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "it did not become true within 20 s");
    await letPromisesResolve();
  }
}

test("a view is loaded page by page down to its end", async () => {
  api.put(...many(120), ...many(3).map((each, n) => ({ ...each, id: `wi_done${n}`, status: "done" })));
  await queue.show("open", "");
  assert.equal(list.rows.ids.length, 50);
  assert.equal(queue.cursor, HEAD);
  assert.equal(queue.view.complete, false);
  await queue.more();
  assert.equal(list.rows.ids.length, 100);
  await loadAll();
  assert.deepEqual(list.rows.ids, many(120).reverse().map(({ id }) => id));
  const { length } = api.requests;
  await queue.more();
  assert.equal(api.requests.length, length, "nothing is asked for at the end of the list");
});

test("items with any order key are shown: zero, negative, and beyond the year 2242", async () => {
  const keys = [-5e15, -1, 0, 1, 2 ** 53, 1e17];
  api.put(...keys.map((seq, n) => item(n, { seq })));
  await queue.show("open", "");
  assert.deepEqual(list.rows.ids, ["wi_5", "wi_4", "wi_3", "wi_2", "wi_1", "wi_0"]);
  queue.follow({ event: "new_workitem", data: item(9, { seq: -7e15 }), cursor: "1-101" });
  await until(() => list.rows.ids.at(-1) === "wi_9");
});

test("a page can begin at order key 0", async () => {
  api.put(...Array.from({ length: 70 }, (_, n) => item(n, { seq: n - 20 })));
  await queue.show("all", "");
  assert.equal(queue.view.floor, 0);
  await queue.more();
  assert.equal(list.rows.ids.length, 70);
});

test("events change, add and remove rows", async () => {
  api.put(...many(3));
  await queue.show("open", "");
  queue.follow(updated(item(2, { subject: "Changed", version: 2 }), "1-101"));
  assert.equal(list.items.get("wi_2").subject, "Changed");
  queue.follow(updated(item(3, { status: "done", assignee: "ben", version: 2 }), "1-102"));
  assert.equal(list.notes.get("wi_3"), "Now done, with ben");
  queue.follow(removed(1, "1-103"));
  assert.deepEqual(list.rows.ids, ["wi_3", "wi_2"]);
  const arrived = [];
  queue.addEventListener("arrived", ({ detail }) => arrived.push(...detail.map(({ id }) => id)));
  for (const n of [4, 5]) queue.follow({ event: "new_workitem", data: item(n), cursor: `1-10${n}` });
  await until(() => arrived.length === 2);
  assert.deepEqual(list.rows.ids, ["wi_5", "wi_4", "wi_3", "wi_2"]);
});

test("an event that arrives while a list is loaded is not overwritten by the list", async () => {
  api.put(...many(3));
  api.before = async () => {
    queue.follow(updated(item(2, { subject: "Read again" }), "1-101"));
    queue.follow(removed(3, "1-102"));
  };
  await queue.show("all", "");
  assert.equal(queue.items.get("wi_2").subject, "Read again");
  assert.deepEqual(list.rows.ids, ["wi_2", "wi_1"]);
});

test("after a reset nothing stale and nothing removed is shown, however many rows there were", async () => {
  api.put(...many(3_000));
  await queue.show("open", "");
  await loadAll();
  assert.equal(list.rows.ids.length, 3_000);
  // Events that are lost: below and above what a reload loads.
  for (const n of [10, 2_990]) api.items.delete(`wi_${n}`);
  for (const n of [20, 2_980]) api.put(item(n, { subject: "Changed", version: 2 }));
  for (const n of [30, 2_970]) api.put(item(n, { status: "done", version: 2 }));
  api.head = "2-1";
  await queue.recover();
  const shown = () => list.rows.ids.map((id) => list.items.get(id));
  const current = () => [...api.items.values()].filter(({ status }) => status === "new").sort((a, b) => b.seq - a.seq);
  assert.deepEqual(shown(), current().slice(0, shown().length));
  assert.ok(shown().length >= 850);
  await loadAll();
  assert.deepEqual(shown(), current());
});

test("after a reset other views show nothing stale either", async () => {
  api.put(item(1, { status: "done" }), item(2, { status: "done" }), item(3));
  await queue.show("done", "");
  await queue.show("open", "");
  api.items.delete("wi_1");
  api.put(item(2, { version: 2 }));
  api.head = "2-1";
  await queue.recover();
  assert.deepEqual(list.rows.ids, ["wi_3", "wi_2"]);
  await queue.show("done", "");
  assert.deepEqual(list.rows.ids, []);
});

test("after a reset the page shows the server's state, even where it lost a change", async () => {
  api.put(item(1, { version: 5, status: "waiting" }));
  await queue.show("open", "");
  api.put(item(1, { version: 4 }));
  api.head = "2-1";
  await queue.recover();
  assert.equal(list.items.get("wi_1").status, "new");
});

test("events that arrive while the reload after a reset runs are kept", async () => {
  api.put(...many(60));
  await queue.show("all", "");
  api.head = "2-1";
  let once = true;
  api.before = async () => {
    if (!once) return;
    once = false;
    queue.follow({ event: "new_workitem", data: item(99), cursor: "2-5" });
    queue.follow(updated(item(60, { subject: "Changed" }), "2-6"));
    queue.follow(removed(59, "2-7"));
  };
  await queue.recover();
  await until(() => list.items.has("wi_99"));
  assert.equal(list.items.get("wi_60").subject, "Changed");
  assert.equal(list.items.has("wi_59"), false);
});

test("a view that is opened while the reload after a reset runs is loaded again too", async () => {
  api.put(item(1), item(2, { status: "done" }), item(3, { status: "done" }));
  await queue.show("done", "");
  await queue.show("open", "");
  api.items.delete("wi_3");
  api.head = "2-1";
  let shown = null;
  api.before = async () => (shown ??= queue.show("done", ""));
  await queue.recover();
  await shown;
  assert.deepEqual(list.rows.ids, ["wi_2"]);
});

test("a second reset during the reload of the first loads once more", async () => {
  api.put(item(1), item(2));
  await queue.show("all", "");
  api.head = "2-1";
  const reloaded = mock.fn();
  queue.addEventListener("reloaded", reloaded);
  let calls = 0;
  api.before = async () => {
    calls += 1;
    if (calls === 1) queue.recover();
    else api.items.delete("wi_2"); // the first answer still has it
  };
  await queue.recover();
  assert.deepEqual(list.rows.ids, ["wi_1"]);
  assert.equal(reloaded.mock.callCount(), 1);
});

test("a reload that fails leaves the list and is retried; one that is refused is not", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  api.put(...many(60));
  await queue.show("all", "");
  const failures = [];
  queue.addEventListener("failed", ({ detail }) => failures.push(detail.message));
  api.items.delete("wi_60");
  api.failures = [503, 0];
  await queue.recover();
  assert.deepEqual(failures, ["It failed"]);
  assert.equal(list.rows.ids.length, 50);
  context.mock.timers.tick(5_000);
  await until(() => failures.length === 2);
  assert.equal(failures[1], "The server cannot be reached at the moment.");
  context.mock.timers.tick(5_000);
  await until(() => !list.items.has("wi_60"));
  api.failures = [401];
  await queue.recover();
  const { length } = api.requests;
  context.mock.timers.tick(60_000);
  await letPromisesResolve();
  assert.equal(api.requests.length, length);
});

test("a first page that fails is an error for the caller, and the next attempt loads what is missing", async () => {
  api.put(...many(3));
  api.failures = [503];
  await assert.rejects(queue.show("all", ""), { status: 503, message: "It failed" });
  assert.equal(queue.view.floor, undefined);
  await queue.show("all", "");
  assert.equal(list.rows.ids.length, 3);
});

test("a page that stays open drops its oldest items and can load them again", async () => {
  await queue.show("all", "");
  const count = 11_001;
  let arrived = 0;
  queue.addEventListener("arrived", ({ detail }) => (arrived += detail.length));
  for (const each of many(count)) {
    api.put(each);
    queue.follow({ event: "new_workitem", data: each, cursor: `1-${100 + each.seq}` });
  }
  await until(() => arrived === count);
  assert.equal(list.rows.ids.length, 10_000);
  assert.equal(queue.view.complete, false);
  await queue.more();
  assert.equal(list.rows.ids.length, 10_050);
});

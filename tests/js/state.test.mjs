import assert from "node:assert/strict";
import { test } from "node:test";
import { END, Items, View, count, place } from "../../server/static/js/queue/state.js";

const item = (id, more = {}) => ({ id, seq: 1, status: "new", mailbox: "in", version: 0, ...more });

test("an older version never replaces a newer one, whatever its origin", () => {
  const items = new Items();
  assert.equal(items.put(item("a", { version: 2 }), "5-1"), "new");
  assert.equal(items.put(item("a", { version: 1 }), "5-9"), "older");
  assert.equal(items.put(item("a", { version: 3 })), "changed");
  assert.equal(items.get("a").version, 3);
});

test("with the same version the later cursor counts: a list that was read before an event does not overwrite it", () => {
  const items = new Items();
  items.put(item("a", { subject: "first" }), "5-1");
  items.put(item("a", { subject: "read again" }), "5-8");
  assert.equal(items.put(item("a", { subject: "first" }), "5-4"), "older");
  assert.equal(items.get("a").subject, "read again");
});

test("a removed item does not come back by a list that was read before", () => {
  const items = new Items();
  items.put(item("a"), "5-1");
  assert.equal(items.remove("a", "5-7"), true);
  assert.equal(items.put(item("a"), "5-6"), "older");
  assert.equal(items.get("a"), undefined);
});

test("items are in order of arrival and a changed status does not change it", () => {
  const items = new Items();
  for (const [id, seq] of [["a", 1], ["b", 3], ["c", 2]]) items.put(item(id, { seq }), "5-1");
  const view = new View("all");
  view.reached("", null);
  assert.deepEqual(view.select(items.all()).map(({ id }) => id), ["b", "c", "a"]);
  items.put(item("a", { seq: 1, status: "done", version: 1 }), "5-2");
  assert.deepEqual(view.select(items.all()).map(({ id }) => id), ["b", "c", "a"]);
});

test("open is three lists, and nothing is shown below the highest gap of any", () => {
  const view = new View("open");
  view.reached("new", "50");
  view.reached("in_progress", "80");
  assert.equal(view.floor, undefined);
  view.reached("waiting", null);
  assert.equal(view.floor, 80);
  assert.equal(view.shows(item("a", { seq: 80 })), true);
  assert.equal(view.shows(item("b", { seq: 79 })), false);
  assert.equal(view.shows(item("c", { seq: 99, status: "done" })), false);
  assert.equal(view.complete, false);
});

test("the end of a list has no order key: no order key is below it or above it", () => {
  const view = new View("all");
  assert.equal(view.shows(item("a", { seq: 1e300 })), false, "nothing is loaded yet");
  view.reached("", "0");
  assert.equal(view.floor, 0);
  assert.equal(view.complete, false);
  assert.equal(view.shows(item("a", { seq: -1 })), false);
  view.reached("", null);
  assert.equal(view.floor, END);
  view.reached("", "7");
  assert.equal(view.floor, END, "a first page that is loaded again changes nothing");
  for (const seq of [-5e15, -1, 0, 1e17]) assert.equal(view.shows(item("a", { seq })), true);
  view.raise(-3);
  assert.equal(view.floor, -3);
});

test("each mailbox has its own lists", () => {
  const view = new View("done", "claims");
  view.reached("done", "7");
  assert.equal(view.floor, 7);
  assert.equal(view.shows(item("a", { status: "done", mailbox: "in", seq: 9 })), false);
  view.mailbox = "";
  assert.equal(view.floor, undefined);
});

test("an index is found among order keys, newest first, before equal ones", () => {
  assert.equal(place([], 5), 0);
  assert.equal(place([9, 7, 5], 10), 0);
  assert.equal(place([9, 7, 5], 8), 1);
  assert.equal(place([9, 7, 5], 5), 2);
  assert.equal(place([9, 7, 5], 1), 3);
});

test("counts include only loaded items", () => {
  const all = [item("a"), item("b", { status: "waiting", mailbox: "x" }), item("c", { status: "done" })];
  assert.deepEqual(count(all, ""), { open: 2, all: 3, new: 1, waiting: 1, done: 1 });
  assert.deepEqual(count(all, "x"), { open: 1, all: 1, waiting: 1 });
});

test("a page drops its oldest items and knows that it has to load them again", () => {
  const items = new Items();
  for (let seq = 1; seq <= 30; seq += 1) items.put(item(`i${seq}`, { seq }), `5-${seq}`);
  const view = new View("new");
  view.reached("new", null);
  view.raise(items.trim(10));
  assert.equal(items.size, 10);
  assert.equal(view.floor, 21);
  assert.equal(view.complete, false);
  assert.equal(items.trim(10), null);
});

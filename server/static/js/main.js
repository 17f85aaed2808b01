/** Starts the page: who is signed in, the queue, the stream, the tabs. The map of the front end. */

import { readAddress, writeAddress } from "./address.js";
import { announce, announceArrivals } from "./announcer.js";
import * as api from "./api.js";
import { mountConnection, titleMark } from "./connection.js";
import { find, mark, write } from "./element.js";
import { Filters, viewWord } from "./filters.js";
import { zone } from "./format.js";
import { mountHealth } from "./health-bar.js";
import { ItemDetail } from "./item-detail.js";
import { ItemList } from "./item-list.js";
import { Quarantine } from "./quarantine.js";
import { Queue } from "./queue.js";
import { SharedWorkItemStream } from "./shared-stream.js";
import { mountSseTest } from "./sse-test.js";

// Milliseconds until the first list is asked for again when the server could not give it.
const AGAIN = 3_000;

const list = new ItemList();
const queue = new Queue(list);
const filters = new Filters();
const detail = new ItemDetail(queue);
const stream = new SharedWorkItemStream({ share: () => detail.person.name });
const quarantine = new Quarantine();
const unread = new Set();

function toSignIn() {
  location.replace(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

async function start() {
  try {
    if (!detail.person) welcome(await api.session());
    const { view, mailbox } = readAddress();
    await queue.show(view, mailbox);
    stream.cursor = queue.cursor;
    stream.start();
    showAddress();
  } catch (error) {
    if (error.status === 401) return toSignIn();
    if (!(error instanceof api.ApiError)) throw error;
    say(`${error.message} Trying again.`);
    setTimeout(start, AGAIN);
  }
}

function welcome(session) {
  detail.person = quarantine.person = session;
  write(find("#person"), session.name);
  mark(find(".person"), "hidden", false);
  mountSseTest(find("#sse"), stream, session);
}

function showAddress() {
  const { tab, view, mailbox, item } = readAddress();
  showTab(tab);
  if (view !== queue.view.status || mailbox !== queue.view.mailbox) show(view, mailbox);
  if (item !== (detail.id ?? "")) detail.show(item || null);
  list.opened(item || null);
  mark(document.body, "data-item", Boolean(item));
}

function showTab(tab) {
  for (const [name, panel] of [["queue", "#queue"], ["sse", "#sse"]]) {
    const chosen = name === tab;
    const button = find(`#tab-${name}`);
    mark(button, "aria-selected", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
    mark(find(panel), "hidden", !chosen);
  }
}

async function show(status, mailbox) {
  writeAddress({ view: status, mailbox });
  await attempt(() => queue.show(status, mailbox));
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    say(error.message);
    announce(error.message, true);
  }
}

function say(sentence) {
  const empty = find("#empty");
  mark(empty, "hidden", !sentence);
  write(empty, sentence);
}

function drawList() {
  const { view, items } = queue;
  filters.draw(items, view);
  mark(find("#more"), "hidden", view.complete || view.floor === Infinity);
  const shown = list.rows.ids.length;
  const where = view.mailbox ? ` in ${view.mailbox}` : "";
  if (shown) say("");
  else if (view.floor === Infinity) say("Loading …");
  else if (view.status === "all") say(`No work items yet${where}. They appear here as mail arrives.`);
  else say(`Nothing is ${viewWord(view.status).toLowerCase()}${where}.`);
  write(find("#foot"), `${shown} shown · times: ${zone()}`);
}

function drawTitle() {
  const number = unread.size ? `(${unread.size}) ` : "";
  document.title = `${titleMark(stream.state)}${number}Queue · Tubepost`;
  const icon = stream.state.name === "live" || stream.state.name === "connecting" ? "tubepost" : "tubepost-off";
  const wanted = find("#favicon").href.replace(/tubepost[-a-z]*\.svg/, `${number ? "tubepost-new" : icon}.svg`);
  if (find("#favicon").href !== wanted) find("#favicon").href = wanted;
}

function open(id) {
  const narrow = matchMedia("(max-width: 50rem)").matches;
  writeAddress({ item: id ?? "" }, !detail.id && Boolean(id));
  unread.delete(id);
  showAddress();
  drawTitle();
  if (narrow && id) detail.focus();
  else if (!id) list.focus();
}

list.addEventListener("faded", drawList);
list.addEventListener("open", (event) => open(event.detail));
detail.addEventListener("open", (event) => open(event.detail));
quarantine.addEventListener("open", (event) => open(event.detail));
detail.addEventListener("close", () => open(null));
filters.addEventListener("choose", ({ detail: { status, mailbox } }) => show(status, mailbox));
queue.addEventListener("changed", drawList);
queue.addEventListener("loaded", drawList);
queue.addEventListener("failed", (event) => announce(event.detail.message));
queue.addEventListener("arrived", (event) => {
  announceArrivals(event.detail.length);
  if (document.hidden) for (const item of event.detail) unread.add(item.id);
  drawList();
  drawTitle();
});
stream.addEventListener("event", (event) => queue.follow(event.detail));
stream.addEventListener("reset", () => queue.recover());
stream.addEventListener("state", drawTitle);
mountConnection(stream, announce);
mountHealth(stream, (count) => quarantine.count(count));

find("#more").addEventListener("click", () => attempt(() => queue.more()));
find("#sign-out").addEventListener("click", () => attempt(async () => {
  await api.signOut();
  stream.reconnect(); // the other tabs are signed out too: their stream is told so
  stream.close("signed out");
  location.replace("/login");
}));
find("[role=tablist]").addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (!tab) return;
  writeAddress({ tab: tab.id.slice(4) }, true);
  showAddress();
});
find("[role=tablist]").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  const other = find("[role=tab][aria-selected=false]");
  other.click();
  other.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input, select, textarea, dialog, [contenteditable]")) return;
  if (event.key === "j" || event.key === "k") list.move(event.key === "j" ? 1 : -1);
  else if (event.key === ".") list.toTop();
  else if (event.key === "Escape" && detail.id) open(null);
});
addEventListener("popstate", showAddress);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread.clear();
  drawTitle();
});

start();

/** Starts the page: the session, the queue, the stream, the tabs. It shows how all parts of the page are joined. */

import { readAddress, writeAddress } from "./page/address.js";
import { announce, announceArrivals } from "./page/announcer.js";
import * as api from "./lib/api.js";
import { mountConnection, titleMark } from "./page/connection-light.js";
import { find, mark, write } from "./lib/element.js";
import { Filters, viewWord } from "./queue/filters.js";
import { zone } from "./lib/format.js";
import { mountHealth } from "./page/health-bar.js";
import { ItemDetail } from "./item/item-detail.js";
import { ItemList } from "./queue/item-list.js";
import { Quarantine } from "./queue/quarantine.js";
import { Queue } from "./queue/queue.js";
import { SharedWorkItemStream } from "./client/shared-stream.js";
import { mountSseTest } from "./page/sse-test.js";

/**
 * @typedef {import("./lib/types.js").Session} Session
 * @typedef {import("./lib/types.js").Item} Item
 */

// Milliseconds until the page tries again to load its first list.
const RETRY = 3_000;

const list = new ItemList();
const queue = new Queue(list);
const filters = new Filters();
const detail = new ItemDetail(queue);
const stream = new SharedWorkItemStream({ share: () => detail.person?.name ?? "" });
const quarantine = new Quarantine();
/** @type {Set<string>} Items that arrived while the page was hidden. */
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
    if (!(error instanceof api.ApiError)) throw error;
    if (error.status === 401) return toSignIn();
    say(`${error.message} The page tries again.`);
    setTimeout(start, RETRY);
  }
}

/** @param {Session} session */
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

/** @param {string} tab */
function showTab(tab) {
  for (const [name, panel] of [["queue", "#queue"], ["sse", "#sse"]]) {
    const chosen = name === tab;
    const button = find(`#tab-${name}`);
    mark(button, "aria-selected", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
    mark(find(panel), "hidden", !chosen);
  }
}

/**
 * Show a view of the queue.
 * @param {string} status
 * @param {string} mailbox
 */
async function show(status, mailbox) {
  writeAddress({ view: status, mailbox });
  await attempt(() => queue.show(status, mailbox));
}

/** Do something and show its error, if the server made one. @param {() => Promise<unknown>} work */
async function attempt(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    say(error.message);
    announce(error.message, true);
  }
}

/** Write a sentence where the list is empty. @param {string} sentence */
function say(sentence) {
  const empty = find("#empty");
  mark(empty, "hidden", !sentence);
  write(empty, sentence);
}

function drawList() {
  const { view, items } = queue;
  filters.draw(items, view);
  mark(find("#more"), "hidden", view.complete || view.floor === undefined);
  const shown = list.rows.ids.length;
  const where = view.mailbox ? ` in ${view.mailbox}` : "";
  if (shown) say("");
  else if (view.floor === undefined) say("Loading …");
  else if (view.status === "all") say(`No work items yet${where}. They appear here as mail arrives.`);
  else say(`Nothing is ${viewWord(view.status).toLowerCase()}${where}.`);
  write(find("#foot"), `${shown} shown · times: ${zone()}`);
}

function drawTitle() {
  const number = unread.size ? `(${unread.size}) ` : "";
  document.title = `${titleMark(stream.state)}${number}Queue · Tubepost`;
  const icon = stream.state.name === "live" || stream.state.name === "connecting" ? "tubepost" : "tubepost-off";
  const address = find("#favicon").href.replace(/tubepost[-a-z]*\.svg/, `${number ? "tubepost-new" : icon}.svg`);
  if (find("#favicon").href !== address) find("#favicon").href = address;
}

/** Open an item, or with null close the open one. @param {string | null} id */
function open(id) {
  const narrow = matchMedia("(max-width: 50rem)").matches;
  writeAddress({ item: id ?? "" }, !detail.id && Boolean(id));
  if (id) unread.delete(id);
  showAddress();
  drawTitle();
  if (narrow && id) detail.focus();
  else if (!id) list.focus();
}

/**
 * Listen to a CustomEvent.
 * @param {EventTarget} source
 * @param {string} name
 * @param {(detail: any) => unknown} act
 */
function on(source, name, act) {
  source.addEventListener(name, (event) => act(/** @type {CustomEvent} */ (event).detail));
}

list.addEventListener("faded", drawList);
for (const source of [list, detail, quarantine]) on(source, "open", (id) => open(id));
detail.addEventListener("close", () => open(null));
on(filters, "choose", ({ status, mailbox }) => show(status, mailbox));
queue.addEventListener("changed", drawList);
queue.addEventListener("loaded", drawList);
on(queue, "failed", (error) => announce(error.message));
on(queue, "arrived", (/** @type {Item[]} */ items) => {
  announceArrivals(items.length);
  if (document.hidden) for (const { id } of items) unread.add(id);
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
  stream.reconnect(); // the other tabs are signed out too: the server refuses their stream
  stream.close("signed out");
  location.replace("/login");
}));
find("[role=tablist]").addEventListener("click", (/** @type {MouseEvent} */ event) => {
  const tab = /** @type {Element} */ (event.target).closest("[role=tab]");
  if (!tab) return;
  writeAddress({ tab: tab.id.slice(4) }, true);
  showAddress();
});
find("[role=tablist]").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
  if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  const other = find("[role=tab][aria-selected=false]");
  other.click();
  other.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (/** @type {Element} */ (event.target).closest("input, select, textarea, dialog, [contenteditable]")) return;
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

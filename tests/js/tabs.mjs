/** A fake browser with tabs that share a stream. Its locks and channels run on the fake clock. */

import assert from "node:assert/strict";
import { SharedWorkItemStream } from "../../server/static/js/client/shared-stream.js";
import { Clock, Server, connected, item, letPromisesResolve } from "./clock.mjs";

export class Browser {
  clock = new Clock();
  server = new Server();
  tabs = [];
  /** Kinds of the messages that were sent. */
  sent = [];
  /** Messages that are lost before one arrives again. */
  lose = 0;
  #locks = new Map();

  open(options = {}) {
    const tab = new Tab(this, options);
    this.tabs.push(tab);
    tab.stream.start();
    return tab;
  }

  get lines() {
    return this.server.requests.filter((request) => request.open);
  }

  spread(from, name, message) {
    this.sent.push(message?.kind);
    if (this.lose > 0) return void (this.lose -= 1);
    const copy = structuredClone(message);
    for (const tab of this.tabs) {
      if (tab === from) continue;
      tab.run(() => tab.channel?.name === name && tab.channel.onmessage({ data: copy }));
    }
  }

  request(tab, name, { signal, steal = false }, run) {
    const lock = this.#locks.get(name) ?? { held: null, queue: [] };
    this.#locks.set(name, lock);
    return new Promise((resolve, reject) => {
      const claim = { tab, run, resolve, reject };
      const refuse = () => claim.tab.run(() => claim.reject(new DOMException("taken away", "AbortError")));
      Object.assign(claim, { refuse });
      signal?.addEventListener("abort", () => {
        if (!lock.queue.includes(claim)) return;
        lock.queue = lock.queue.filter((other) => other !== claim);
        refuse();
      });
      if (steal) {
        lock.held?.refuse();
        lock.held = null;
        lock.queue.unshift(claim);
      } else lock.queue.push(claim);
      this.#grant(lock);
    });
  }

  /** Make the lock manager forget a tab that is gone. */
  forget(tab) {
    for (const lock of this.#locks.values()) {
      lock.queue = lock.queue.filter((claim) => claim.tab !== tab);
      if (lock.held?.tab === tab) lock.held = null;
      this.#grant(lock);
    }
  }

  #grant(lock) {
    if (lock.held || !lock.queue.length) return;
    const claim = (lock.held = lock.queue.shift());
    const release = (value) => {
      claim.resolve(value);
      if (lock.held === claim) lock.held = null;
      this.#grant(lock);
    };
    claim.tab.run(() => Promise.resolve(claim.run({})).then(release));
  }
}

class Tab {
  events = [];
  states = [];
  requests = [];
  channel = null;
  /** A hidden page's timers come once a minute. */
  hidden = false;
  page = Object.assign(new EventTarget(), { document: Object.assign(new EventTarget(), { visibilityState: "visible" }) });
  #browser;
  #frozen = false;
  #dead = false;
  #waiting = [];

  constructor(browser, options) {
    this.#browser = browser;
    const { clock, server } = browser;
    this.stream = new SharedWorkItemStream({
      page: this.page, now: () => clock.now, random: () => 0.5, clearTimeout: clock.clearTimeout,
      setTimeout: (run, wait) => clock.setTimeout(() => this.run(run), this.hidden ? Math.max(wait, 60_000) : wait),
      fetch: (...args) => {
        const answer = server.fetch(...args);
        this.requests.push(server.last);
        return answer;
      },
      locks: { request: (name, how, run) => browser.request(this, name, how, run) },
      channel: (name) => (this.channel = {
        name, onmessage: null, postMessage: (message) => browser.spread(this, name, message), close: () => (this.channel = null),
      }),
      ...options,
    });
    this.stream.addEventListener("event", ({ detail }) => this.events.push(detail));
    this.stream.addEventListener("state", ({ detail }) => this.states.push(detail.name));
  }

  get items() {
    return this.events.filter(({ event }) => event.includes("workitem")).map(({ cursor }) => cursor);
  }

  get names() {
    return this.events.map(({ event }) => event);
  }

  /** Run a task of this tab: a frozen tab runs it later, a dead one never. */
  run(task) {
    if (this.#dead) return;
    if (this.#frozen) this.#waiting.push(task);
    else queueMicrotask(() => (this.#frozen ? this.#waiting.push(task) : this.#dead || task()));
  }

  /** Stop without notice, as under a debugger or in a long loop. */
  freeze() {
    this.#frozen = true;
  }

  thaw() {
    this.#frozen = false;
    for (const task of this.#waiting.splice(0)) this.run(task);
  }

  /** End the tab's process: the browser gives its lock to the next one. */
  kill() {
    this.#dead = true;
    for (const request of this.requests) request.open = false;
    this.#browser.forget(this);
  }
}

/** A browser with `count` tabs that are live at 5-1; the first one leads. */
export async function begin(count = 2) {
  const browser = new Browser();
  for (let n = 0; n < count; n += 1) {
    browser.open({ cursor: "5-1" });
    await letPromisesResolve();
    if (n === 0) browser.server.last.write(connected("5-1"));
    await letPromisesResolve();
  }
  const { clock, server, tabs } = browser;
  return { browser, clock, server, tabs };
}

/** Assert that these tabs got these items, in this order, each once. */
export function agree(tabs, expected) {
  for (const tab of tabs) assert.deepEqual(tab.items, expected);
}

/** Cursors of one epoch, and frames of new items with these cursors. */
export const cursors = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => `5-${from + n}`);
export const items = (from, to) => cursors(from, to).map((cursor) => item(cursor, cursor)).join("");

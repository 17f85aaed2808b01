/** The bar at the foot of the page: what is wrong with mailboxes and workers, and progress with old mail. It never moves the list. */

import { element, find, mark, write } from "../lib/element.js";
import { Health } from "./health.js";

/**
 * @typedef {import("./health.js").Banner} Banner
 * @typedef {import("./health.js").Progress} Progress
 */

// Milliseconds after the begin of a stream within which it has sent all that is not well.
const ALL_SENT = 3_000;
// Where the keys of dismissed notices are stored, and how many at most.
const DISMISSED = "tubepost.away";
const MAX_DISMISSED = 50;

/**
 * @param {import("../lib/types.js").PageStream} stream
 * @param {(quarantined: number) => void} changed called with the number of mails that could not be read, when it may have changed
 */
export function mountHealth(stream, changed) {
  const health = new Health();
  // The live regions exist from the start: what is put into them is spoken, once.
  const regions = {
    urgent: region("#urgent", makeBanner, drawBanner), notices: region("#notices", makeBanner, drawBanner),
    bars: region("#bars", makeBar, drawBar),
  };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  function draw() {
    const dismissed = new Set(loadDismissed());
    const banners = health.banners().filter(({ key, news }) => !news || !dismissed.has(key));
    regions.urgent(banners.filter(({ urgent }) => urgent));
    regions.notices(banners.filter(({ urgent }) => !urgent));
    regions.bars(health.progress());
    changed(health.quarantined);
  }

  /** @param {Banner} banner */
  function makeBanner({ key, name, news, urgent }) {
    const dismiss = () => {
      storeDismissed(key);
      draw();
    };
    return element("p", { class: urgent ? "banner urgent" : "banner" }, element("span", { class: "sentence" },
      name && [element("b", {}, element("bdi", {}, name), ":"), " "], element("span", { class: "words" })),
    news && element("button", { class: "quiet", "aria-label": `Dismiss the notice about ${name}`, onclick: dismiss }, "Dismiss"));
  }

  stream.addEventListener("event", ({ detail }) => health.take(detail) && draw());
  stream.addEventListener("connected", () => {
    health.doubt();
    clearTimeout(timer);
    timer = setTimeout(() => {
      health.forgetDoubtful();
      draw();
    }, ALL_SENT);
  });
}

/**
 * Return a function that draws things into a part of the page. Each keeps its element by its key, so that only what is
 * new or changed is touched, and spoken.
 * @template {{ key: string }} Thing
 * @param {string} selector
 * @param {(thing: Thing) => HTMLElement} make
 * @param {(node: HTMLElement, thing: Thing) => void} update
 */
function region(selector, make, update) {
  const place = find(selector);
  /** @type {Map<string, HTMLElement>} */
  const nodes = new Map();
  /** @param {Thing[]} things */
  return (things) => {
    const keys = new Set(things.map(({ key }) => key));
    for (const [key, node] of nodes) {
      if (keys.has(key)) continue;
      node.remove();
      nodes.delete(key);
    }
    for (const thing of things) {
      const known = nodes.get(thing.key);
      const node = known ?? make(thing);
      update(node, thing);
      if (!known) place.append(node);
      nodes.set(thing.key, node);
    }
  };
}

/**
 * @param {HTMLElement} node
 * @param {Banner} banner
 */
function drawBanner(node, { words }) {
  write(find(".words", node), words);
}

const makeBar = () => element("label", { class: "reading" }, element("span", { class: "words" }), element("progress"));

/**
 * @param {HTMLElement} node
 * @param {Progress} progress
 */
function drawBar(node, { words, taken, todo }) {
  write(find(".words", node), words);
  mark(find("progress", node), "max", todo);
  mark(find("progress", node), "value", taken);
}

/** @returns {string[]} */
function loadDismissed() {
  try {
    const kept = JSON.parse(localStorage.getItem(DISMISSED) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return []; // no storage: the notice comes back with the next page
  }
}

/** @param {string} key */
function storeDismissed(key) {
  try {
    localStorage.setItem(DISMISSED, JSON.stringify([...loadDismissed(), key].slice(-MAX_DISMISSED)));
  } catch {} // no storage, as above
}

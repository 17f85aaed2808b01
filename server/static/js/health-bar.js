/** The bar at the page's foot: what is wrong with mailboxes and workers, and how far old mail is. It moves no list. */

import { element, find, mark, write } from "./element.js";
import { Health } from "./health.js";

// Milliseconds after a stream's beginning within which it has told all that is not well.
const TOLD = 3_000;
// News that somebody has put away, and how many of them are remembered.
const AWAY = "tubepost.away";
const REMEMBERED = 50;

/** @param changed called with how many mails could not be read, whenever that may have changed */
export function mountHealth(stream, changed) {
  const health = new Health();
  // Two live regions that are there from the start: what is put into them is spoken, once.
  const regions = { urgent: region("#urgent"), notices: region("#notices"), bars: region("#bars") };
  let timer = null;

  function draw() {
    const away = new Set(remembered());
    const banners = health.banners().filter(({ key, news }) => !news || !away.has(key));
    regions.urgent(banners.filter(({ urgent }) => urgent), banner, (node, { words }) => write(find(".words", node), words));
    regions.notices(banners.filter(({ urgent }) => !urgent), banner, (node, { words }) => write(find(".words", node), words));
    regions.bars(health.progress(), bar, drawBar);
    changed(health.quarantined);
  }

  function banner({ key, name, news, urgent }) {
    const dismiss = () => {
      remember(key);
      draw();
    };
    return element("p", { class: urgent ? "banner urgent" : "banner" }, element("span", { class: "sentence" },
      name && [element("b", {}, element("bdi", {}, name), ":"), " "], element("span", { class: "words" })),
    news && element("button", { class: "quiet", "aria-label": `Dismiss the notice about ${name}`, onclick: dismiss }, "Dismiss"));
  }

  stream.addEventListener("event", ({ detail }) => health.told(detail) && draw());
  stream.addEventListener("connected", () => {
    health.doubt();
    clearTimeout(timer);
    timer = setTimeout(() => {
      health.settle();
      draw();
    }, TOLD);
  });
}

/** Keeps one element for each thing by its key, so that only what is new or other is touched, and spoken. */
function region(selector) {
  const place = find(selector);
  const nodes = new Map();
  return (things, make, update) => {
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

const bar = () => element("label", { class: "reading" }, element("span", { class: "words" }), element("progress"));

function drawBar(node, { words, taken, todo }) {
  write(find(".words", node), words);
  mark(find("progress", node), "max", todo);
  mark(find("progress", node), "value", taken);
}

function remembered() {
  try {
    const kept = JSON.parse(localStorage.getItem(AWAY) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return []; // no storage: it comes back with the next page
  }
}

function remember(key) {
  try {
    localStorage.setItem(AWAY, JSON.stringify([...remembered(), key].slice(-REMEMBERED)));
  } catch {}
}

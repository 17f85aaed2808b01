/** Speaks to screen readers. New items are counted and announced every ten seconds at most; urgent words interrupt. */

import { find } from "../lib/element.js";

// Milliseconds between two announcements of new items.
const PAUSE = 10_000;

const polite = find("#polite");
const alert = find("#alert");
let arrived = 0;
/** @type {ReturnType<typeof setTimeout> | null} */
let timer = null;

/** Say a sentence. @param {string} sentence */
export function announce(sentence, urgent = false) {
  (urgent ? alert : polite).textContent = sentence.trim();
}

/** Announce new items, together with others of the last seconds. @param {number} count */
export function announceArrivals(count) {
  arrived += count;
  if (!arrived || timer) return;
  announce(`${arrived} new work item${arrived === 1 ? "" : "s"}`);
  arrived = 0;
  timer = setTimeout(() => {
    timer = null;
    if (arrived) announceArrivals(0);
  }, PAUSE);
}

/** Speaks to screen readers: one polite voice, a sentence every ten seconds at most; one for what cannot wait. */

import { find } from "./element.js";

const PAUSE = 10_000;

const polite = find("#polite");
const alert = find("#alert");
let arrived = 0;
let timer = null;

/** Say a sentence. */
export function announce(sentence, urgent = false) {
  (urgent ? alert : polite).textContent = sentence.trim();
}

/** Count new items; told together. */
export function announceArrivals(count) {
  arrived += count;
  if (!arrived || timer) return;
  tell();
  timer = setTimeout(() => {
    timer = null;
    if (arrived) announceArrivals(0);
  }, PAUSE);
}

function tell() {
  announce(`${arrived} new work item${arrived === 1 ? "" : "s"}`);
  arrived = 0;
}

/** Shows the state of the stream: a light, a word, a reason, and a button for what one can do. */

import { find, mark, write } from "../lib/element.js";
import { clockTime, duration } from "../lib/format.js";

/**
 * @typedef {import("../client/stream.js").State} State
 * @typedef {import("../client/stream.js").StateName} StateName
 */

/** @type {Record<StateName, string>} */
const WORDS = {
  idle: "Connecting", connecting: "Connecting", live: "Live", catching_up: "Catching up", reconnecting: "Reconnecting",
  offline: "Offline", signed_out: "Signed out", stopped: "Stopped",
};

/** @type {Partial<Record<StateName, string>>} What the button says. */
const ACTIONS = { reconnecting: "Now", offline: "Try now", signed_out: "Sign in", stopped: "Connect" };
/** @type {StateName[]} States in which what the page shows may be old. */
const STALE = ["reconnecting", "offline", "signed_out", "stopped"];

/**
 * Return the words for a state of the stream. Pure.
 * @param {State} state
 * @param {number} now milliseconds since 1970
 */
export function words(state, now) {
  const { name, reason, retryAt } = state;
  const wait = retryAt === null ? "" : ` in ${duration(Math.max(1000, retryAt - now))}`;
  const word = name === "reconnecting" ? `Reconnecting${wait}` : WORDS[name] ?? name;
  return { word, why: name === "live" ? "" : reason, action: ACTIONS[name] ?? "" };
}

/** Return whether the page may show old data. @param {State} state */
const isStale = (state) => STALE.includes(state.name);

/**
 * @param {import("../lib/types.js").PageStream} stream
 * @param {(sentence: string, urgent?: boolean) => void} announce
 */
export function mountConnection(stream, announce) {
  const place = find("#connection");
  const [word, why, button] = [".word", ".why", "button"].map((each) => find(each, place));
  const note = find("#stale");
  // Milliseconds since 1970: when the stream was last live, and since when the store is unavailable; null if that is now.
  /** @type {number | null} */
  let liveUntil = null;
  /** @type {number | null} */
  let storeAwaySince = null;
  let storeReason = "";

  button.addEventListener("click", () => {
    if (stream.state.name === "signed_out") location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    else if (stream.state.name === "stopped") stream.start();
    else stream.reconnect();
  });

  function draw() {
    const { state } = stream;
    const said = words(state, Date.now());
    mark(place, "data-state", state.name);
    write(word, said.word);
    write(why, said.why);
    mark(place, "title", said.why || null);
    write(button, said.action);
    mark(button, "hidden", !said.action);
    const shownUntil = isStale(state) ? liveUntil : null;
    mark(note, "hidden", shownUntil === null && storeAwaySince === null);
    if (shownUntil !== null) write(note, `As of ${clockTime(shownUntil)}: what came since then is not shown yet.`);
    else if (storeAwaySince !== null) write(note, `Since ${clockTime(storeAwaySince)} the server cannot reach its store: no new mail is shown and nothing can be changed. It tries again by itself.${storeReason && ` ${storeReason}.`}`);
  }

  let was = stream.state.name;
  stream.addEventListener("state", ({ detail }) => {
    if (["live", "catching_up"].includes(was) && isStale(detail)) liveUntil = Date.now();
    if (detail.name === "live") liveUntil = null;
    if (detail.name !== was && (isStale(detail) || (detail.name === "live" && !["connecting", "idle"].includes(was)))) {
      announce(`${WORDS[detail.name]}. ${detail.reason}`, detail.name === "signed_out");
    }
    was = detail.name;
    draw();
  });
  /** @param {boolean} away @param {string} [reason] what the store says about it */
  const setStore = (away, reason = "") => {
    storeReason = reason;
    if (away === (storeAwaySince !== null)) return draw();
    storeAwaySince = away ? Date.now() : null;
    announce(away ? "The server cannot reach its store." : "The server can reach its store again.", away);
    draw();
  };
  stream.addEventListener("store_status", ({ detail }) => setStore(detail.data?.available === false, String(detail.data?.reason ?? "")));
  // A stream begins with all that is not well: if the store is unavailable, `store_status` comes right after this.
  stream.addEventListener("connected", () => setStore(false));
  setInterval(() => stream.state.retryAt !== null && draw(), 1000);
  draw();
}

/** @type {Partial<Record<StateName, string>>} */
const TITLES = { offline: "! Offline · ", signed_out: "🔒 Signed out · " };

/** Return what a state puts before the title of the page. @param {State} state */
export const titleMark = (state) => TITLES[state.name] ?? "";

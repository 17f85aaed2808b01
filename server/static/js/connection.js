/** The one place that says how things stand with the stream: a light, a word, a reason, and what one can do. */

import { find, mark, write } from "./element.js";
import { clockTime, duration } from "./format.js";

const WORDS = {
  idle: "Connecting", connecting: "Connecting", live: "Live", catching_up: "Catching up", reconnecting: "Reconnecting",
  offline: "Offline", signed_out: "Signed out", stopped: "Stopped",
};

/** The words for a state of the stream at a moment: {word, why, action}. Pure. */
export function words(state, now) {
  const { name, reason, retryAt } = state;
  const wait = retryAt === null ? "" : ` in ${duration(Math.max(1000, retryAt - now))}`;
  const word = name === "reconnecting" ? `Reconnecting${wait}` : WORDS[name] ?? name;
  const action = { reconnecting: "Now", offline: "Try now", signed_out: "Sign in", stopped: "Connect" }[name] ?? "";
  return { word, why: name === "live" ? "" : reason, action };
}

/** Whether what the page shows may be old. */
export const stale = (state) => ["reconnecting", "offline", "signed_out", "stopped"].includes(state.name);

export function mountConnection(stream, announce) {
  const place = find("#connection");
  const [word, why, button] = [".word", ".why", "button"].map((each) => find(each, place));
  const note = find("#stale");
  let liveUntil = null;
  let storeAway = null;

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
    const old = stale(state) && liveUntil !== null;
    mark(note, "hidden", !old && storeAway === null);
    if (old) write(note, `As of ${clockTime(liveUntil)}: what came since is not shown yet.`);
    else if (storeAway !== null) write(note, `Since ${clockTime(storeAway)} the server does not reach its store: nothing new can come and nothing can be changed. It tries again by itself.`);
  }

  let was = stream.state.name;
  stream.addEventListener("state", ({ detail }) => {
    if (["live", "catching_up"].includes(was) && stale(detail)) liveUntil = Date.now();
    if (detail.name === "live") liveUntil = null;
    if (detail.name !== was && (stale(detail) || (detail.name === "live" && !["connecting", "idle"].includes(was)))) {
      announce(`${WORDS[detail.name]}. ${detail.reason}`, detail.name === "signed_out");
    }
    was = detail.name;
    draw();
  });
  const told = (away) => {
    if (away === (storeAway !== null)) return;
    storeAway = away ? Date.now() : null;
    announce(away ? "The server does not reach its store." : "The server reaches its store again.", away);
    draw();
  };
  stream.addEventListener("store_status", ({ detail }) => told(detail.data?.available === false));
  // A stream begins with what is unusual: a store that is away is told right after.
  stream.addEventListener("connected", () => told(false));
  setInterval(() => stream.state.retryAt !== null && draw(), 1000);
  draw();
}

/** The same in one line, for the title of the page. */
export const titleMark = (state) => ({ offline: "! Offline · ", signed_out: "🔒 Signed out · " })[state.name] ?? "";


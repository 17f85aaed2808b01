/** The tab "SSE Test": the events and the state of the stream, and ways to try it. */

import * as api from "../lib/api.js";
import { element, mark, write } from "../lib/element.js";
import { clockTime, duration, size } from "../lib/format.js";

/**
 * @typedef {import("../lib/types.js").PageStream} PageStream
 * @typedef {import("../client/stream.js").Envelope} Envelope
 *
 * @typedef {object} Trip a test item on its way through the server and back; all times in milliseconds
 * @property {number} sent
 * @property {ReturnType<typeof setTimeout>} [timer]
 * @property {number} [accepted] from sending to the answer
 * @property {number} [came] from sending to the event
 *
 * @typedef {Map<string, Trip>} Trips by subject
 */

// Lines that the log keeps.
const KEPT = 500;
// Milliseconds after which a test item counts as lost.
const LOST = 15_000;
// A cursor of an epoch that cannot be: the server has to answer with `reset`.
const UNKNOWN = "9999999999999-1";

/**
 * @param {HTMLElement} place
 * @param {PageStream} stream
 * @param {import("../lib/types.js").Session} session
 */
export function mountSseTest(place, stream, session) {
  const facts = factsPanel(stream);
  const log = logPanel();
  const outcome = element("p", { class: "outcome", role: "status" });
  /** @type {Trips} */
  const trips = new Map();

  const send = element("button", { class: "primary" }, "Send test item");
  send.addEventListener("click", () => sendTestItem(outcome, trips, send));
  const buttons = [
    send,
    element("button", { onclick: () => stream.drop() }, "Drop connection"),
    element("button", { onclick: () => stream.reconnect(UNKNOWN) }, "Reconnect with an unknown cursor"),
  ];
  if (!session.test_items) {
    send.disabled = true;
    write(outcome, "This server does not allow test items (setting server.test_items).");
  } else if (!session.scopes?.includes("test")) {
    send.disabled = true;
    write(outcome, "You have no right to make test items (scope test).");
  }
  place.replaceChildren(
    element("section", { class: "panel", "aria-label": "Connection" }, element("h2", {}, "Connection"), facts.element,
      element("h2", {}, "Try it"), element("div", { class: "buttons" }, buttons), outcome),
    element("section", { class: "panel log", "aria-label": "Log" }, log.head, log.element),
  );

  stream.addEventListener("event", ({ detail }) => {
    log.add(detail);
    const subject = /** @type {{ subject?: string } | undefined} */ (detail.data)?.subject ?? "";
    const trip = trips.get(subject);
    if (trip && detail.event === "new_workitem") endTrip(trip, outcome, trips, subject);
    facts.draw();
  });
  stream.addEventListener("state", ({ detail }) => {
    log.note(`${detail.name}${detail.reason ? `: ${detail.reason}` : ""}`);
    facts.draw();
  });
  setInterval(() => place.hidden || facts.draw(), 1000);
  facts.draw();
}

/**
 * @param {HTMLElement} outcome
 * @param {Trips} trips
 * @param {HTMLButtonElement} button
 */
async function sendTestItem(outcome, trips, button) {
  const subject = `Test item ${crypto.randomUUID?.().slice(0, 8) ?? Date.now()}`;
  /** @type {Trip} */
  const trip = { sent: performance.now() };
  trips.set(subject, trip);
  trip.timer = setTimeout(() => {
    trips.delete(subject);
    write(outcome, `“${subject}” did not come back within ${duration(LOST)}. Is the stream live?`);
  }, LOST);
  button.disabled = true;
  write(outcome, `Sending “${subject}” …`);
  try {
    await api.testItem({ subject, extracted_fields: { round_trip: "yes" } });
    trip.accepted = performance.now() - trip.sent;
    if (trip.came) writeTimes(trip, outcome, subject);
  } catch (error) {
    clearTimeout(trip.timer);
    trips.delete(subject);
    if (!(error instanceof api.ApiError)) throw error;
    write(outcome, error.status === 403 ? `The server does not allow it. ${error.message}` : error.message);
  } finally {
    button.disabled = false;
  }
}

/**
 * @param {Trip} trip
 * @param {HTMLElement} outcome
 * @param {Trips} trips
 * @param {string} subject
 */
function endTrip(trip, outcome, trips, subject) {
  clearTimeout(trip.timer);
  trips.delete(subject);
  trip.came = performance.now() - trip.sent;
  writeTimes(trip, outcome, subject);
}

/**
 * @param {Trip} trip
 * @param {HTMLElement} outcome
 * @param {string} subject
 */
function writeTimes({ came = 0, accepted }, outcome, subject) {
  const answer = accepted === undefined ? "before the answer" : `answered after ${accepted.toFixed(0)} ms`;
  write(outcome, `“${subject}” came back on the stream after ${came.toFixed(0)} ms (${answer}).`);
}

/** @param {PageStream} stream */
function factsPanel(stream) {
  /** @type {Map<string, HTMLElement>} */
  const values = new Map();
  /** @param {string} name */
  const row = (name) => {
    const value = element("dd", { "data-fact": name });
    values.set(name, value);
    return [element("dt", {}, name), value];
  };
  const names = ["State", "Since", "Last heartbeat", "Cursor", "Events", "Opened", "Reconnects", "Rotations", "Resets",
    "Duplicates", "Received"];
  const list = element("dl", { class: "facts" }, names.map(row));

  function draw() {
    const { state, stats, cursor } = stream;
    const now = Date.now();
    /** @type {Record<string, string | number>} */
    const facts = {
      State: `${state.name.replaceAll("_", " ")}${state.reason ? ` (${state.reason})` : ""}`,
      Since: state.since ? `${clockTime(state.since)} (${duration(now - state.since)})` : "–",
      "Last heartbeat": stats.heartbeatAt ? `${duration(now - stats.heartbeatAt)} ago` : "none yet",
      Cursor: cursor || "none yet",
      Events: Object.entries(stats.events).map(([name, number]) => `${name} ${number}`).join(" · ") || "none yet",
      Opened: stats.opened, Reconnects: stats.reconnects, Rotations: stats.rotations, Resets: stats.resets,
      Duplicates: stats.duplicates, Received: size(stats.bytes),
    };
    for (const [name, value] of values) write(value, String(facts[name]));
    mark(list, "data-state", state.name);
  }
  return { element: list, draw };
}

/** Make the log: the newest line is last, and it scrolls like a terminal while its end is in view. */
function logPanel() {
  const lines = element("ol", { class: "lines", role: "log", "aria-live": "off", tabindex: "0", "aria-label": "Events of the stream" });
  const number = element("span", { class: "count" });
  const clear = element("button", { class: "quiet", onclick: () => (lines.replaceChildren(), write(number, "")) }, "Clear");
  // Whether a frame is asked for.
  let scrolling = false;

  /**
   * @param {string} kind
   * @param {...HTMLElement} words
   */
  function append(kind, ...words) {
    if (!scrolling) scrollAfter();
    lines.append(element("li", { "data-event": kind }, element("time", {}, clockTime(Date.now())), ...words));
    while (lines.childElementCount > KEPT) lines.firstElementChild?.remove();
    write(number, `${lines.childElementCount} of at most ${KEPT}`);
  }

  /** Scroll to the end, once a frame: measured at each line, the page would need a new layout for each. */
  function scrollAfter() {
    scrolling = true;
    const follows = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 40;
    requestAnimationFrame(() => {
      scrolling = false;
      if (follows) lines.scrollTop = lines.scrollHeight;
    });
  }

  return {
    head: element("div", { class: "head" }, element("h2", {}, "Log"), number, clear),
    element: lines,
    /** @param {Envelope} envelope */
    add({ event, cursor, ...rest }) {
      const words = JSON.stringify(rest.data ?? rest);
      append(event, element("b", {}, event), element("code", {}, cursor ?? ""),
        element("span", { class: "json" }, words.length > 400 ? `${words.slice(0, 400)} …` : words));
    },
    /** @param {string} words */
    note(words) {
      append("state", element("b", {}, "client"), element("span", { class: "json" }, words));
    },
  };
}

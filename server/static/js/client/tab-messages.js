/**
 * The messages of tabs that share a stream. Pure.
 *
 * From the leader to all: each has its term (higher = a later leader) and `n`, the number of its last event.
 *   event   an envelope, and the cursor up to which every event is known with it
 *   beat    the state and the figures of the stream; also the answer to `ping`
 *   answer  to one tab's `hello`: what it missed (null = too much, load again), and what a new stream would send first
 * From a follower to the leader:
 *   hello   send me everything after my cursor; `start`: open the stream again if you stopped
 *   ping    are you there?
 *   ask     do what a person asks for in this tab: start, drop, reconnect
 */

/** @typedef {(value: any) => boolean} Check */


/** @type {Check} */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
/** @type {Check} */
const isCursor = (value) => typeof value === "string" && /^(\d{1,15}-\d{1,15})?$/.test(value);
/** @type {Check} */
const isNumber = (value) => Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
/** @type {Check} */
const isWord = (value) => typeof value === "string" && value.length <= 1000;

/** @type {Check} */
const isEnvelope = (value) =>
  isObject(value) && isWord(value.event) && (value.cursor === undefined || isCursor(value.cursor))
  && (value.data === undefined || isObject(value.data));
/** @type {Check} */
const isState = (value) =>
  isObject(value) && isWord(value.name) && isWord(value.reason) && isNumber(value.since)
  && (value.retryAt === null || isNumber(value.retryAt));
/** @type {Check} */
const areEnvelopes = (value) => Array.isArray(value) && value.every(isEnvelope);
/** @type {Check} */
const isLine = (value) => isObject(value) && Object.values(value).every(isNumber);

/** @type {Record<string, Record<string, Check>>} By kind of message; what else a message has is not checked. */
const CHECKS = {
  event: { term: isNumber, n: isNumber, envelope: isEnvelope, head: isCursor },
  beat: { term: isNumber, n: isNumber, state: isState, line: isLine },
  answer: {
    term: isNumber, n: isNumber, to: isWord, head: isCursor, connected: (value) => value === null || isEnvelope(value),
    missed: (value) => value === null || areEnvelopes(value), facts: areEnvelopes, state: isState, line: isLine,
  },
  hello: { from: isWord, cursor: isCursor },
  ping: {},
  ask: { what: (value) => ["start", "drop", "reconnect"].includes(value), cursor: isCursor },
};

/** Return whether a message has a known shape: any page of this origin may write to the channel. @param {any} message */
export function isKnown(message) {
  if (!isObject(message) || !Object.hasOwn(CHECKS, message.kind)) return false;
  return Object.entries(CHECKS[message.kind]).every(([name, fits]) => fits(message[name]));
}

/**
 * What tabs that share a stream say to one another. Pure.
 *
 * The leader, to all: each word has its term (higher = a later leader) and `n`, the number of its last event.
 *   event   an envelope, and the point up to which everything is told with it
 *   beat    how the line is; also the answer to `ping`
 *   answer  to one tab's `hello`: what it missed (null = too much, load anew), and what a new stream would be told
 * A follower, to the leader:
 *   hello   tell me everything after my cursor; `start`: open again if you have given up
 *   ping    are you there?
 *   ask     do as your own user would: start, drop, reconnect
 */

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isCursor = (value) => typeof value === "string" && /^(\d{1,15}-\d{1,15})?$/.test(value);
const isNumber = (value) => Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
const isWord = (value) => typeof value === "string" && value.length <= 1000;

const isEnvelope = (value) =>
  isObject(value) && isWord(value.event) && (value.cursor === undefined || isCursor(value.cursor))
  && (value.data === undefined || isObject(value.data));
const isState = (value) =>
  isObject(value) && isWord(value.name) && isWord(value.reason) && isNumber(value.since)
  && (value.retryAt === null || isNumber(value.retryAt));
const areEnvelopes = (value) => Array.isArray(value) && value.every(isEnvelope);
const isLine = (value) => isObject(value) && Object.values(value).every(isNumber);

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

/** Whether a message has a shape that we know: anything of this origin may write to the channel. */
export function understood(message) {
  const checks = isObject(message) && Object.hasOwn(CHECKS, message.kind) && CHECKS[message.kind];
  return Boolean(checks) && Object.entries(checks).every(([name, fits]) => fits(message[name]));
}

/** What is known of the mailboxes and the workers, and the words for it. Pure: no clock, no page. */

import { rowTime, visible } from "../lib/format.js";

/**
 * @typedef {Record<string, any>} Data the data of a state event
 * @typedef {{ event: string, data: Data }} Fact
 *
 * @typedef {object} Banner
 * @property {string} key the same for the same matter
 * @property {boolean} urgent
 * @property {string} name of a mailbox, or ""
 * @property {string} words
 * @property {boolean} [news] a person can dismiss it; the others stay until they are over
 *
 * @typedef {{ key: string, words: string, taken: number, todo: number }} Progress
 */

// Milliseconds for which a new UIDVALIDITY of a mailbox is news.
const NEWS = 3_600_000;

/** The newest of each state event of the stream. */
export class Health {
  /** @type {Map<string, Fact>} */
  #facts = new Map();
  /** @type {Set<string>} Facts of the stream before. Those that the new stream does not send again are over. */
  #doubtful = new Set();

  /**
   * Take an envelope of the stream.
   * @param {{ event: string, data?: unknown }} envelope
   * @returns whether it was a state event about mailboxes or workers
   */
  take({ event, data: found }) {
    const data = /** @type {Data} */ (found);
    const key = keyOf(event, data);
    if (!key) return false;
    this.#facts.set(key, { event, data });
    this.#doubtful.delete(key);
    return true;
  }

  /** Note that a stream begins: it sends what is not well, and nothing of what is. */
  doubt() {
    this.#doubtful = new Set(this.#facts.keys());
  }

  /** Note that the new stream has sent all that is not well: what it did not send again is over. */
  forgetDoubtful() {
    for (const key of this.#doubtful) this.#facts.delete(key);
    this.#doubtful.clear();
  }

  /** The number of mails that could not be read as they should. @returns {number} */
  get quarantined() {
    return this.#facts.get("intake_status")?.data.quarantine?.count ?? 0;
  }

  /** Return what is to be shown, the most urgent first. @returns {Banner[]} */
  banners(now = Date.now()) {
    const intake = this.#facts.get("intake_status")?.data;
    const noWorker = Boolean(intake?.no_worker);
    const found = this.#dataOf("mailbox_status").flatMap((mailbox) =>
      [troubleBanner(mailbox, noWorker, now), renumberedBanner(mailbox, now), actionBanner(mailbox)]);
    found.push(...(intake?.redis ?? []).map(redisBanner), ...(intake?.rules ?? []).map(rulesBanner));
    if (intake && noWorker) found.push({ key: "no_worker", urgent: true, name: "", words: noWorkerWords(intake, now) });
    return found.filter((banner) => banner !== null).sort((a, b) => Number(b.urgent) - Number(a.urgent) || a.key.localeCompare(b.key));
  }

  /** Return how far the reading of old mail is. @returns {Progress[]} */
  progress() {
    return this.#dataOf("import_progress").filter(({ going_on, todo }) => going_on !== false && todo > 0).map((data) => ({
      key: `${data.mailbox} ${data.folder}`, taken: data.taken, todo: data.todo,
      words: `${visible(data.mailbox)}: reading old mail${folder(data.folder)}: ${number(data.taken)} of ${number(data.todo)}`,
    }));
  }

  /** @param {string} event */
  #dataOf(event) {
    return [...this.#facts.values()].filter((fact) => fact.event === event).map(({ data }) => data);
  }
}

/**
 * Return what distinguishes facts, null for a value that is no fact.
 * @param {string} event
 * @param {Data | undefined} data
 */
function keyOf(event, data) {
  if (event === "mailbox_status" && data?.name) return `${event} ${data.name}`;
  if (event === "import_progress" && data?.mailbox) return `${event} ${data.mailbox} ${data.folder}`;
  return event === "intake_status" && data ? event : null;
}

/** @type {Record<string, (since: string) => string>} Words for the states of a mailbox that are not well. */
const STATES = {
  needs_sign_in: (since) => `needs sign-in${since}`,
  failing: (since) => `is not read${since}`,
  paused: (since) => `waits${since}`,
  unwatched: (since) => `is watched by no worker${since}`,
};

/**
 * @param {Data} mailbox
 * @param {boolean} noWorker whether no worker runs: that is shown once, not for each mailbox
 * @param {number} now
 * @returns {Banner | null}
 */
function troubleBanner(mailbox, noWorker, now) {
  const { name, state, reason, advice, since, checked } = mailbox;
  if (!Object.hasOwn(STATES, state) || (state === "unwatched" && noWorker)) return null;
  const said = STATES[state](at(" since", since, now));
  const last = checked && checked !== since && state !== "needs_sign_in" ? `Last checked${at("", checked, now)}.` : "";
  const why = reason && state !== "unwatched" ? ` (${visible(reason).replace(/\.$/, "")})` : "";
  return { key: `state ${name}`, urgent: state === "needs_sign_in", name: visible(name), words: sentences(`${said}${why}.`, last, visible(advice)) };
}

/**
 * @param {Data} mailbox
 * @param {number} now
 * @returns {Banner | null}
 */
function renumberedBanner({ name, rebaselined }, now) {
  if (!rebaselined || now - Date.parse(rebaselined) > NEWS) return null;
  const words = "its mail server gave all mails new numbers, so the mailbox is read again. Nothing is lost, and nothing comes twice.";
  return { key: `anew ${name} ${rebaselined}`, urgent: false, news: true, name: visible(name), words };
}

/** @param {Data} mailbox @returns {Banner | null} */
function actionBanner({ name, after: pending }) {
  if (!pending?.error) return null;
  const words = sentences(`mail cannot be marked or moved there (${visible(pending.error).replace(/\.$/, "")}).`, "It is tried again.");
  return { key: `after ${name}`, urgent: false, name: visible(name), words };
}

/**
 * @param {{ kind: string, error: boolean, message: string, advice: string }} finding
 * @returns {Banner} a warning can be dismissed, since its cause may be wanted
 */
function redisBanner({ kind, error, message, advice }) {
  return { key: `redis ${kind}`, urgent: error, news: !error, name: "Redis", words: sentences(`${visible(message)}.`, visible(advice)) };
}

/**
 * @param {{ message: string, advice: string }} finding
 * @returns {Banner} not urgent, since mail is still read
 */
function rulesBanner({ message, advice }) {
  return { key: `rules ${message}`, urgent: false, name: "Field rules", words: sentences(`${visible(message)}.`, visible(advice)) };
}

/**
 * @param {Data} intake
 * @param {number} now
 */
function noWorkerWords({ checked }, now) {
  const last = checked ? `Mailboxes were last checked${at("", checked, now)}.` : "";
  return sentences("No worker is running: new mail is not read.", last, "An administrator starts the workers.");
}

/**
 * Return a clock time today, else the day. It stays correct, so that nothing has to be rewritten every minute.
 * @param {string} word
 * @param {string | null | undefined} iso
 * @param {number} now
 */
function at(word, iso, now) {
  const time = iso ? rowTime(iso, now) : "";
  return time ? `${word} ${/:/.test(time) && !word ? `at ${time}` : time}` : "";
}

/** @param {string} name */
const folder = (name) => (!name || name === "INBOX" ? "" : ` in ${visible(name)}`);
/** @param {unknown} value */
const number = (value) => Number(value).toLocaleString();
/** @param {...string} parts */
const sentences = (...parts) => parts.filter(Boolean).join(" ");

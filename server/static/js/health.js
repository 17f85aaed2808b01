/** What is known of the mailboxes and the workers, and how it is said: pure, no clock, no page. */

import { rowTime, visible } from "./format.js";

// Milliseconds for which it is news that a mailbox was numbered anew.
const NEWS = 3_600_000;

/** The newest of each fact that the stream tells beside the items. */
export class Health {
  #facts = new Map();
  // Facts of the stream before: what the new one does not tell again is over.
  #doubtful = new Set();

  /** Takes an envelope of the stream. @returns whether it was such a fact */
  told({ event, data }) {
    const key = keyOf(event, data);
    if (!key) return false;
    this.#facts.set(key, { event, data });
    this.#doubtful.delete(key);
    return true;
  }

  /** A stream begins: it tells what is not well, and nothing of what is. */
  doubt() {
    this.#doubtful = new Set(this.#facts.keys());
  }

  /** It has told all that there is. */
  settle() {
    for (const key of this.#doubtful) this.#facts.delete(key);
    this.#doubtful.clear();
  }

  /** How many mails could not be read as they should. */
  get quarantined() {
    return this.#facts.get("intake_status")?.data.quarantine?.count ?? 0;
  }

  /**
   * What is to be said, the most urgent first: {key, urgent, name, words, news}; `name` is a mailbox's or "". `news` can be put away by a person;
   * the others stay until they are over.
   */
  banners(now = Date.now()) {
    const alone = this.#facts.get("intake_status")?.data;
    const mailboxes = this.#of("mailbox_status");
    const found = mailboxes.flatMap((mailbox) => [trouble(mailbox, alone?.alone, now), anew(mailbox, now), after(mailbox)]);
    if (alone?.alone) found.push({ key: "alone", urgent: true, name: "", words: aloneWords(alone, now) });
    return found.filter(Boolean).sort((a, b) => Number(b.urgent) - Number(a.urgent) || a.key.localeCompare(b.key));
  }

  /** Old mail that is being read: {key, words, taken, todo}. */
  progress() {
    return this.#of("import_progress").filter(({ going_on, todo }) => going_on !== false && todo > 0).map((data) => ({
      key: `${data.mailbox} ${data.folder}`, taken: data.taken, todo: data.todo,
      words: `${visible(data.mailbox)}: reading old mail${folder(data.folder)}: ${number(data.taken)} of ${number(data.todo)}`,
    }));
  }

  #of(event) {
    return [...this.#facts.values()].filter((fact) => fact.event === event).map(({ data }) => data);
  }
}

function keyOf(event, data) {
  if (event === "mailbox_status" && data?.name) return `${event} ${data.name}`;
  if (event === "import_progress" && data?.mailbox) return `${event} ${data.mailbox} ${data.folder}`;
  return event === "intake_status" && data ? event : null;
}

const SAYS = {
  needs_sign_in: (since) => `needs sign-in${since}`,
  failing: (since) => `is not read${since}`,
  paused: (since) => `waits${since}`,
  unwatched: (since) => `is watched by no worker${since}`,
};

function trouble(mailbox, alone, now) {
  const { name, state, reason, advice, since, checked } = mailbox;
  // That no worker runs is said once, not for each mailbox.
  if (!(state in SAYS) || (state === "unwatched" && alone)) return null;
  const said = SAYS[state](at(" since", since, now));
  const last = checked && checked !== since && state !== "needs_sign_in" ? `Last checked${at("", checked, now)}.` : "";
  const why = reason && state !== "unwatched" ? ` (${visible(reason).replace(/\.$/, "")})` : "";
  return { key: `state ${name}`, urgent: state === "needs_sign_in", name: visible(name), words: sentences(`${said}${why}.`, last, visible(advice)) };
}

function anew({ name, rebaselined }, now) {
  if (!rebaselined || now - Date.parse(rebaselined) > NEWS) return null;
  const words = "was numbered anew by its mail server; nothing is lost or doubled.";
  return { key: `anew ${name} ${rebaselined}`, urgent: false, news: true, name: visible(name), words };
}

function after({ name, after: left }) {
  if (!left?.error) return null;
  const words = sentences(`mail cannot be marked or moved there (${visible(left.error).replace(/\.$/, "")}).`, "It is tried again.");
  return { key: `after ${name}`, urgent: false, name: visible(name), words };
}

function aloneWords({ checked }, now) {
  const last = checked ? `Mailboxes were last checked${at("", checked, now)}.` : "";
  return sentences("No worker is running: new mail is not read.", last, "An administrator starts the workers.");
}

/** Clock time today, else the day: it stays true, so that nothing has to be said again every minute. */
function at(word, iso, now) {
  const time = iso ? rowTime(iso, now) : "";
  return time ? `${word} ${/:/.test(time) && !word ? `at ${time}` : time}` : "";
}

const folder = (name) => (!name || name === "INBOX" ? "" : ` in ${visible(name)}`);
const number = (value) => Number(value).toLocaleString();
const sentences = (...parts) => parts.filter(Boolean).join(" ");

/** Words for a person: times, sizes, values. Pure: the clock is a parameter. */

/**
 * @typedef {{ from_name: string, from_email: string }} WithSender
 * @typedef {{ amount: string, currency?: string }} Money
 */

/** @type {Record<string, string>} */
const WORDS = { new: "New", in_progress: "In progress", waiting: "Waiting", done: "Done", dismissed: "Dismissed" };

/** @type {Record<string, string>} */
const FLAGS = {
  needs_review: "needs review", missing_required: "fields missing", charset_guessed: "charset guessed",
  attachment_unread: "attachment not read", encrypted: "encrypted", no_text: "no text", variant: "has a variant",
  misleading_link: "misleading link",
};

/** @type {Record<string, string>} */
const KINDS = {
  own: "our own", auto_reply: "automatic reply", bounce: "bounce", list: "mailing list", notification: "notification",
  invitation: "invitation", receipt: "receipt",
};

/** @param {string} status */
export const statusWord = (status) => WORDS[status] ?? sentence(status);
/** @param {string} flag */
export const flagWord = (flag) => FLAGS[flag] ?? flag.replaceAll("_", " ");
/** @param {string} kind */
export const kindWord = (kind) => KINDS[kind] ?? null;

/** Make words of a name: `policy_number` → `Policy number`. @param {string} name */
export function sentence(name) {
  const words = String(name).replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Return the clock time today, day and month this year, else the date. @param {string} iso */
export function rowTime(iso, now = Date.now()) {
  const when = new Date(iso);
  if (Number.isNaN(when.getTime())) return "";
  const today = new Date(now);
  if (when.toDateString() === today.toDateString()) return show(when, { hour: "2-digit", minute: "2-digit" });
  if (when.getFullYear() === today.getFullYear()) return show(when, { day: "numeric", month: "short" });
  return show(when, { day: "numeric", month: "short", year: "numeric" });
}

/** Return date and time, for a title or a header. @param {string} iso */
export function fullTime(iso) {
  const when = new Date(iso);
  return Number.isNaN(when.getTime()) ? "" : show(when, { dateStyle: "medium", timeStyle: "short" });
}

export function zone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
}

/** @param {number} milliseconds since 1970 */
export function clockTime(milliseconds) {
  return show(new Date(milliseconds), { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** Say how long something lasted: `4 s`, `3 min`, `2 h`. @param {number} milliseconds */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** @param {number | undefined} bytes */
export function size(bytes) {
  if (bytes === undefined || !(bytes >= 0)) return "";
  if (bytes < 1000) return `${bytes} bytes`;
  const { divisor, unit } = bytes < 1e6 ? { divisor: 1e3, unit: "kB" } : { divisor: 1e6, unit: "MB" };
  return `${(bytes / divisor).toLocaleString(undefined, { maximumFractionDigits: 1 })} ${unit}`;
}

/** Return two letters for a name: `ana.silva` → `AS`, `demo` → `DE`. @param {string} name */
export function initials(name) {
  const parts = String(name).split("@")[0].split(/[\s._-]+/).filter(Boolean);
  const letters = parts.length > 1 ? first(parts[0]) + first(parts[parts.length - 1]) : [...(parts[0] ?? "?")].slice(0, 2).join("");
  return letters.toLocaleUpperCase();
}

/** @param {string} text */
const first = (text) => [...text][0] ?? "";

/** Return who wrote a mail: the name, else the address. @param {WithSender} item */
export const sender = (item) => visible(item.from_name || item.from_email || "unknown sender");
/** @param {{ subject: string }} item */
export const subject = (item) => visible(item.subject) || "(no subject)";

// Joiners and direction marks stay: emoji and many scripts need them.
const HIDDEN_OR_TURNING = /[\u200B\u202A-\u202E\u2060-\u2064\u2066-\u2069\uFEFF\u0000-\u0008\u000B-\u001F\u007F]/g;

/**
 * Replace each character that turns or hides other text by one visible sign, so that offsets stay true.
 * @param {string | null | undefined} text
 */
export function visible(text) {
  return String(text ?? "").replace(HIDDEN_OR_TURNING, "\u2423");
}

/** Return an extracted value as text; a table needs more (isTable). @param {unknown} value @returns {string} */
export function valueText(value) {
  if (value === null || value === undefined) return "";
  if (isMoney(value)) return money(value);
  if (typeof value === "number") return value.toLocaleString();
  if (typeof value === "string") return dateText(value) ?? visible(value);
  if (Array.isArray(value)) return value.map(valueText).join(", ");
  return Object.entries(/** @type {object} */ (value)).map(([name, part]) => `${visible(name)}: ${valueText(part)}`).join(", ");
}

/** @type {(value: any) => value is Money} */
const isMoney = (value) => typeof value?.amount === "string" && typeof (value.currency ?? "") === "string";

/** @type {(value: unknown) => value is Record<string, unknown>[]} */
export const isTable = (value) =>
  Array.isArray(value) && value.length > 0 && value.every((row) => row !== null && typeof row === "object");

/** Write an amount with every digit that was read: it is a decimal as text, never a float. @param {Money} value */
function money({ amount, currency }) {
  const parts = /^(-?)(\d+)(?:\.(\d+))?$/.exec(amount);
  const whole = parts ? parts[1] + BigInt(parts[2]).toLocaleString() : visible(amount);
  return `${whole}${parts?.[3] ? decimal + parts[3] : ""} ${visible(currency ?? "")}`.trim();
}

const decimal = (0.5).toLocaleString().replace(/\p{N}/gu, "") || ".";

/** @param {string} text */
function dateText(text) {
  const found = /^(\d{4})-(\d\d)-(\d\d)(T\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (!found || Number(found[2]) > 12 || Number(found[3]) > 31) return null;
  const day = show(new Date(Date.UTC(+found[1], +found[2] - 1, +found[3])), { dateStyle: "medium", timeZone: "UTC" });
  return found[4] ? `${day}, ${found[4].slice(1, 6)}${found[7] ? ` ${found[7] === "Z" ? "UTC" : found[7]}` : ""}` : day;
}

/**
 * @param {Date} when
 * @param {Intl.DateTimeFormatOptions} options
 */
function show(when, options) {
  return new Intl.DateTimeFormat(undefined, options).format(when);
}

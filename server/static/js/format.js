/** Words for a person: times, sizes, values. Pure, but for the clock that is handed in. */

export const STATUSES = ["new", "in_progress", "waiting", "done", "dismissed"];

const WORDS = { new: "New", in_progress: "In progress", waiting: "Waiting", done: "Done", dismissed: "Dismissed" };

const FLAGS = {
  needs_review: "needs review", missing_required: "fields missing", charset_guessed: "charset guessed",
  attachment_unread: "attachment not read", no_text: "no text", variant: "has a variant",
};

const KINDS = {
  own: "our own", auto_reply: "automatic reply", bounce: "bounce", list: "mailing list", notification: "notification",
};

export const statusWord = (status) => WORDS[status] ?? sentence(status);
export const flagWord = (flag) => FLAGS[flag] ?? flag.replaceAll("_", " ");
export const kindWord = (kind) => KINDS[kind] ?? null;

/** `policy_number` → `Policy number`. */
export function sentence(name) {
  const words = String(name).replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Clock time today, day and month this year, else the date. */
export function rowTime(iso, now = Date.now()) {
  const when = new Date(iso);
  if (Number.isNaN(when.getTime())) return "";
  const today = new Date(now);
  if (when.toDateString() === today.toDateString()) return show(when, { hour: "2-digit", minute: "2-digit" });
  if (when.getFullYear() === today.getFullYear()) return show(when, { day: "numeric", month: "short" });
  return show(when, { day: "numeric", month: "short", year: "numeric" });
}

/** Date and time with the zone, for a title or a header. */
export function fullTime(iso) {
  const when = new Date(iso);
  return Number.isNaN(when.getTime()) ? "" : show(when, { dateStyle: "medium", timeStyle: "short" });
}

export function zone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
}

export function clockTime(milliseconds) {
  return show(new Date(milliseconds), { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** `4 s`, `3 min`, `2 h`: how long something lasted. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

export function size(bytes) {
  if (!(bytes >= 0)) return "";
  if (bytes < 1000) return `${bytes} bytes`;
  const [divisor, unit] = bytes < 1e6 ? [1e3, "kB"] : [1e6, "MB"];
  return `${(bytes / divisor).toLocaleString(undefined, { maximumFractionDigits: 1 })} ${unit}`;
}

/** Two letters for a name: `ana.silva` → `AS`, `demo` → `DE`. */
export function initials(name) {
  const parts = String(name).split("@")[0].split(/[\s._-]+/).filter(Boolean);
  const letters = parts.length > 1 ? first(parts[0]) + first(parts.at(-1)) : [...(parts[0] ?? "?")].slice(0, 2).join("");
  return letters.toLocaleUpperCase();
}

const first = (text) => [...text][0] ?? "";

/** Who wrote: the name, else the address. */
export const sender = (item) => visible(item.from_name || item.from_email || "unknown sender");
export const subject = (item) => visible(item.subject) || "(no subject)";

// Joiners and direction marks stay: emoji and many scripts need them.
const HIDING = /[\u200B\u202A-\u202E\u2060-\u2064\u2066-\u2069\uFEFF\u0000-\u0008\u000B-\u001F\u007F]/g;

/** Characters that turn or hide other text are shown as a sign, one for one: offsets stay true. */
export function visible(text) {
  return String(text ?? "").replace(HIDING, "\u2423");
}

/** An extracted value as text; tables are for the caller. */
export function valueText(value) {
  if (value === null || value === undefined) return "";
  if (isMoney(value)) return money(value);
  if (typeof value === "number") return value.toLocaleString();
  if (typeof value === "string") return dateText(value) ?? visible(value);
  if (Array.isArray(value)) return value.map(valueText).join(", ");
  return Object.entries(value).map(([name, part]) => `${visible(name)}: ${valueText(part)}`).join(", ");
}

export const isMoney = (value) => typeof value?.amount === "string" && typeof (value.currency ?? "") === "string";
export const isTable = (value) =>
  Array.isArray(value) && value.length > 0 && value.every((row) => row !== null && typeof row === "object");

/** The amount keeps every digit that was read: it is a decimal as text, never a float. */
function money({ amount, currency }) {
  const parts = /^(-?)(\d+)(?:\.(\d+))?$/.exec(amount);
  const whole = parts ? parts[1] + BigInt(parts[2]).toLocaleString() : visible(amount);
  return `${whole}${parts?.[3] ? decimal + parts[3] : ""} ${visible(currency ?? "")}`.trim();
}

const decimal = (0.5).toLocaleString().replace(/\p{N}/gu, "") || ".";

function dateText(text) {
  const found = /^(\d{4})-(\d\d)-(\d\d)(T\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (!found || Number(found[2]) > 12 || Number(found[3]) > 31) return null;
  const day = show(new Date(Date.UTC(+found[1], +found[2] - 1, +found[3])), { dateStyle: "medium", timeZone: "UTC" });
  return found[4] ? `${day}, ${found[4].slice(1, 6)}${found[7] ? ` ${found[7] === "Z" ? "UTC" : found[7]}` : ""}` : day;
}

function show(when, options) {
  return new Intl.DateTimeFormat(undefined, options).format(when);
}

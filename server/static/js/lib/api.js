/** The server's HTTP interface. Failures are ApiErrors with a message for a person. */

/**
 * @typedef {import("./types.js").Item} Item
 * @typedef {import("./types.js").WholeItem} WholeItem
 * @typedef {import("./types.js").ItemPage} ItemPage
 * @typedef {import("./types.js").Session} Session
 *
 * @typedef {object} Request
 * @property {string} [method]
 * @property {unknown} [body] what is sent as JSON
 * @property {Record<string, string>} [headers]
 */

// Milliseconds that an answer may take.
const TIMEOUT = 15_000;

export class ApiError extends Error {
  /**
   * @param {number} status of the answer, 0 without one
   * @param {string} message
   * @param {{ item?: Item }} body
   */
  constructor(status, message, body = {}) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/** @type {Session | undefined} Who was signed in at the last look. */
let signedIn;

/** Get who is signed in. @returns {Promise<Session>} */
export async function session() {
  signedIn = await call("/api/session");
  return /** @type {Session} */ (signedIn);
}

/** Get a page of items, newest first. @returns {Promise<ItemPage>} */
export function list({ status = "", mailbox = "", submission = "", before = "", limit = 50 } = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ status, mailbox, submission, before, limit })) {
    if (value !== "") query.set(name, String(value));
  }
  return call(`/api/workitems?${query}`);
}

/**
 * Get the whole item, or `{status: "pending"}` while its mail is being read.
 * @param {string} id
 * @returns {Promise<WholeItem | { status: "pending" }>}
 */
export const item = (id) => call(itemUrl(id));

/**
 * Change an item as it was at `version`. If another change came first, the ApiError has status 409 and the item in its body.
 * @param {string} id
 * @param {number} version
 * @param {import("./types.js").WantedChange} wanted
 * @returns {Promise<Item>}
 */
export const change = (id, version, wanted) =>
  call(itemUrl(id), { method: "PATCH", body: wanted, headers: { "If-Match": `"${version}"` } });

/**
 * Get the mails that could not be read properly, oldest first.
 * @returns {Promise<{ items: import("./types.js").QuarantineEntry[], count: number }>}
 */
export const quarantine = () => call("/api/quarantine");

/** Have an item's stored mail read again. @param {string} id */
export const retry = (id) => call(itemUrl(id, "/retry"), { method: "POST" });

/** Make a test item. @param {{ subject: string, extracted_fields: Record<string, string> }} wanted */
export const testItem = (wanted) => call("/api/test/workitem", { method: "POST", body: wanted });

export const signOut = () => call("/logout", { method: "POST" });

/** @param {string} id */
export const itemUrl = (id, part = "") => `/api/workitems/${encodeURIComponent(id)}${part}`;

/**
 * @param {string} url
 * @param {Request} request
 * @returns {Promise<any>} the answer's JSON, {} when it has none
 */
async function call(url, { method = "GET", body, headers = {} } = {}) {
  /** @type {Record<string, string>} */
  const sent = { Accept: "application/json", ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (method !== "GET") sent["X-XSRFToken"] = signedIn?.xsrf ?? "";
  const answer = await send(url, {
    method, headers: sent, body: body === undefined ? null : JSON.stringify(body),
    credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT),
  });
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return found;
  if (found.error?.code === "xsrf" && await hasNewSession()) return call(url, { method, body, headers });
  throw new ApiError(answer.status, words(answer.status, found.error?.message), found);
}

/** Return whether the same person has signed in anew in another tab, which gave this browser a new token. */
async function hasNewSession() {
  const before = signedIn;
  /** @type {Session} */
  const now = await call("/api/session");
  if (before && now.name !== before.name) {
    throw new ApiError(403, `This browser is signed in as ${now.name} now. Load the page again.`);
  }
  signedIn = now;
  return now.xsrf !== before?.xsrf;
}

/**
 * @param {string} url
 * @param {RequestInit} options
 */
async function send(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    const late = error instanceof Error && error.name === "TimeoutError";
    throw new ApiError(0, late ? "The server did not answer in time." : "The server cannot be reached at the moment.");
  }
}

/**
 * @param {number} status
 * @param {string} [message] of the server
 */
function words(status, message) {
  if (status === 401) return "You are signed out.";
  return message ? `${message.charAt(0).toUpperCase()}${message.slice(1)}` : `The server answered ${status}.`;
}

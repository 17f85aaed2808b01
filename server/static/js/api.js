/** The server's HTTP interface. Failures are ApiErrors whose message is for a person. */

// Milliseconds that an answer may take.
const PATIENCE = 15_000;

export class ApiError extends Error {
  constructor(status, message, body = {}) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

let token = "";

/** Who is signed in: `{name, role, scopes, test_items}`. */
export async function session() {
  const found = await call("/api/session");
  token = found.xsrf ?? found.xsrf_token ?? "";
  return found;
}

/** A page of items, newest first: `{items, next, head}`. */
export function list({ status = "", mailbox = "", submission = "", before = "", limit = 50 } = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ status, mailbox, submission, before, limit })) {
    if (value) query.set(name, value);
  }
  return call(`/api/workitems?${query}`);
}

/** The whole item, or `{status: "pending"}` while its mail is being read. */
export const item = (id) => call(itemUrl(id));

/** Change an item as it was at `version`; somebody faster makes it an ApiError 409 with the item in its body. */
export const change = (id, version, wanted) =>
  call(itemUrl(id), { method: "PATCH", body: wanted, headers: { "If-Match": `"${version}"` } });

/** Mails that could not be read as they should, those first that are so longest: `{items: [{id, reference, since, reason}], count}`. */
export const quarantine = () => call("/api/quarantine");

/** Have an item's stored mail read again. */
export const retry = (id) => call(itemUrl(id, "/retry"), { method: "POST" });

export const testItem = (wanted) => call("/api/test/workitem", { method: "POST", body: wanted });

export const signOut = () => call("/logout", { method: "POST" });

export const itemUrl = (id, part = "") => `/api/workitems/${encodeURIComponent(id)}${part}`;

async function call(url, { method = "GET", body, headers = {} } = {}) {
  const sent = { Accept: "application/json", ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (method !== "GET") sent["X-XSRFToken"] = cookie("_xsrf") || token;
  const answer = await reach(url, {
    method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(PATIENCE),
  });
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  throw new ApiError(answer.status, words(answer.status, told.error?.message), told);
}

async function reach(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new ApiError(0, late ? "The server did not answer in time." : "The server cannot be reached just now.");
  }
}

function words(status, message) {
  if (status === 401) return "You are signed out.";
  return message ? `${message.charAt(0).toUpperCase()}${message.slice(1)}` : `The server answered ${status}.`;
}

function cookie(name) {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}

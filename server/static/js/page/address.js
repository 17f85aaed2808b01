/** Keeps what is shown in the page's address, so that one can send it, bookmark it and go back to it. */

import { VIEWS } from "../lib/statuses.js";

/** @typedef {{ tab: string, view: string, mailbox: string, item: string }} Address */

/** @type {Address} */
const DEFAULTS = { tab: "queue", view: "open", mailbox: "", item: "" };
const TABS = ["queue", "sse"];

export const readAddress = () => parseAddress(location.search);

/**
 * Read the query of an address. A tab or a view that does not exist, as in a mistyped link, is the usual one.
 * @param {string} search
 * @returns {Address}
 */
export function parseAddress(search) {
  const query = Object.fromEntries(new URLSearchParams(search));
  const { tab, view, mailbox, item } = { ...DEFAULTS, ...query };
  return {
    tab: TABS.includes(tab) ? tab : DEFAULTS.tab,
    view: VIEWS.includes(view) ? view : DEFAULTS.view,
    mailbox, item,
  };
}

/**
 * Write what differs into the address.
 * @param {Partial<Address>} changes
 * @param {boolean} step whether "back" undoes it
 */
export function writeAddress(changes, step = false) {
  const now = { ...readAddress(), ...changes };
  const query = new URLSearchParams(Object.entries(now).filter(([name, value]) => value !== DEFAULTS[/** @type {keyof Address} */ (name)]));
  const url = query.size ? `?${query}` : location.pathname;
  if (`${location.search || location.pathname}` === url) return;
  if (step) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
}

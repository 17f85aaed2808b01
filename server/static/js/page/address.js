/** Keeps what is shown in the page's address, so that one can send it, bookmark it and go back to it. */

/** @typedef {{ tab: string, view: string, mailbox: string, item: string }} Address */

/** @type {Address} */
const DEFAULTS = { tab: "queue", view: "open", mailbox: "", item: "" };

export function readAddress() {
  const query = Object.fromEntries(new URLSearchParams(location.search));
  const { tab, view, mailbox, item } = { ...DEFAULTS, ...query };
  return { tab, view, mailbox, item };
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

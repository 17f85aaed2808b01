/** What is shown stands in the page's address, so that it can be sent, kept and gone back to. */

const DEFAULTS = { tab: "queue", view: "open", mailbox: "", item: "" };

export function readAddress() {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(Object.entries(DEFAULTS).map(([name, usual]) => [name, query.get(name) ?? usual]));
}

/** Writes what differs; `step` makes it one that "back" undoes. */
export function writeAddress(changes, step = false) {
  const now = { ...readAddress(), ...changes };
  const query = new URLSearchParams(Object.entries(now).filter(([name, value]) => value !== DEFAULTS[name]));
  const url = query.size ? `?${query}` : location.pathname;
  if (`${location.search || location.pathname}` === url) return;
  if (step) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
}

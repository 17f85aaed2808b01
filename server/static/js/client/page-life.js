/** Follows the states of a page in its browser (Page Lifecycle). */

/**
 * @typedef {object} PageListener
 * @property {() => void} stops the page will not run for a while, or never again
 * @property {() => void} resumes it was only frozen or in the history
 * @property {() => void} wakes its timers may have slept
 */

/**
 * Call a listener when the page's state changes.
 * @param {any} page the window
 * @param {PageListener} listener
 * @returns an AbortController that ends the listening
 */
export function followPage(page, { stops, resumes, wakes }) {
  const listening = new AbortController();
  /** @type {(target: any, name: string, act: () => unknown) => void} */
  const on = (target, name, act) => target?.addEventListener?.(name, act, { signal: listening.signal });
  // A page that ends becomes hidden after its `pagehide`: a change of visibility alone does not mean that it runs.
  const awake = () => page.document?.visibilityState === "hidden" || wakes();
  on(page, "pagehide", stops);
  on(page.document, "freeze", stops);
  for (const [target, name] of [[page, "pageshow"], [page.document, "resume"]]) on(target, name, resumes);
  for (const [target, name] of [[page, "pageshow"], [page, "online"], [page.document, "visibilitychange"]]) on(target, name, awake);
  return listening;
}

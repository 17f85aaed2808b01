/**
 * A page's life as its browser tells it (Page Lifecycle): `stops` when it will run no more for a while or for ever,
 * `goesOn` when it was only frozen or in the history, `wakes` when timers may have slept.
 *
 * @returns an AbortController that ends the listening
 */
export function followPage(page, { stops, goesOn, wakes }) {
  const listening = new AbortController();
  const on = (target, name, act) => target?.addEventListener?.(name, act, { signal: listening.signal });
  // A page that goes is hidden after its `pagehide`: that alone is no sign of life.
  const awake = () => page.document?.visibilityState === "hidden" || wakes();
  on(page, "pagehide", stops);
  on(page.document, "freeze", stops);
  for (const [target, name] of [[page, "pageshow"], [page.document, "resume"]]) on(target, name, goesOn);
  for (const [target, name] of [[page, "pageshow"], [page, "online"], [page.document, "visibilitychange"]]) on(target, name, awake);
  return listening;
}

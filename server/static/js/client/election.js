/** Chooses one of a browser's tabs: the one that holds a Web Lock. When that tab is gone, the browser gives the lock to another. */

/**
 * @typedef {"elected" | "deposed" | "failed"} Outcome "deposed": another tab took the lock; "failed": there are no locks here
 * @typedef {{ abort: AbortController, release: (() => void) | null }} Candidacy
 */

export class Election {
  #locks;
  #name;
  #report;
  /** @type {Candidacy | null} */
  #candidacy = null;

  /**
   * @param {Pick<LockManager, "request">} locks
   * @param {string} name of the lock
   * @param {(outcome: Outcome) => void} report
   */
  constructor(locks, name, report) {
    this.#locks = locks;
    this.#name = name;
    this.#report = report;
  }

  /** Wait for the lock; with `steal` take it from a tab that does not answer. */
  stand({ steal = false } = {}) {
    this.resign();
    /** @type {Candidacy} */
    const candidacy = { abort: new AbortController(), release: null };
    this.#candidacy = candidacy;
    /** @param {any} [error] */
    const end = (error) => {
      if (candidacy !== this.#candidacy) return;
      this.#candidacy = null;
      this.#report(candidacy.release || error?.name === "AbortError" ? "deposed" : "failed");
    };
    // The lock is held until this promise is resolved.
    const hold = () => candidacy === this.#candidacy && new Promise((resolve) => {
      candidacy.release = () => resolve(undefined);
      this.#report("elected");
    });
    try {
      this.#locks.request(this.#name, steal ? { steal } : { signal: candidacy.abort.signal }, hold).then(() => end(), end);
    } catch (error) {
      end(error);
    }
  }

  /** Give up the lock, or the wait for it. */
  resign() {
    const candidacy = this.#candidacy;
    this.#candidacy = null;
    candidacy?.abort.abort();
    candidacy?.release?.();
  }
}

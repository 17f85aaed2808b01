/** One of a browser's tabs: the one that holds a Web Lock. The browser hands it on when that tab is gone. */

export class Election {
  #locks;
  #name;
  #told;
  #standing = null;

  /** `told` is called with "elected", "deposed" (another tab took it away) or "failed" (there are no locks here). */
  constructor(locks, name, told) {
    this.#locks = locks;
    this.#name = name;
    this.#told = told;
  }

  /** Wait for one's turn; with `steal` take it from a tab that does not answer. */
  stand({ steal = false } = {}) {
    this.resign();
    const standing = { abort: new AbortController(), leave: null };
    this.#standing = standing;
    const over = (error) => {
      if (standing !== this.#standing) return;
      this.#standing = null;
      this.#told(standing.leave || error?.name === "AbortError" ? "deposed" : "failed");
    };
    // The lock is held until this promise is settled.
    const held = () => standing === this.#standing && new Promise((leave) => {
      standing.leave = leave;
      this.#told("elected");
    });
    try {
      this.#locks.request(this.#name, steal ? { steal } : { signal: standing.abort.signal }, held).then(over, over);
    } catch (error) {
      over(error);
    }
  }

  /** Give up the lock, or the wait for it. */
  resign() {
    const standing = this.#standing;
    this.#standing = null;
    standing?.abort.abort();
    standing?.leave?.();
  }
}

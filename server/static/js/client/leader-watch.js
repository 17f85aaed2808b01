/** Watches a follower's leader: a silent leader is asked for a message; one that does not answer is gone. */

// Milliseconds of silence after which the leader is asked; plus a random part of SPREAD, so that one follower asks for
// all. Leaders send nothing by a timer: timers of a hidden page may fire once a minute, messages come at once.
const QUIET = 4_000;
const SPREAD = 1_000;
// Milliseconds that the answer may take; plus a random part of JITTER, so that not all followers act together.
const ANSWER = 4_000;
const JITTER = 2_000;
// Milliseconds that a timer may be late; if it is later, this page or the machine slept, and the leader is asked again.
const LATE = 2_000;

export class LeaderWatch {
  #options;
  #ask;
  #gone;
  /** @type {unknown} */
  #timer = null;
  #words = 0;
  #heardAt = 0;

  /**
   * @param {import("./follower.js").Clock} options
   * @param {() => void} ask makes the leader send a message
   * @param {() => void} gone is called when it did not
   */
  constructor(options, ask, gone) {
    this.#options = options;
    this.#ask = ask;
    this.#gone = gone;
  }

  /** Note a message of the leader. */
  heard() {
    this.#words += 1;
    this.#heardAt = this.#options.now();
  }

  /** Wait until the leader was silent for too long. */
  #look() {
    const { now, random } = this.#options;
    const quiet = QUIET + random() * SPREAD;
    this.#after(quiet - (now() - this.#heardAt), () => (now() - this.#heardAt >= QUIET ? this.ask() : this.#look()));
  }

  /** Ask the leader; without an answer it is gone. @param {boolean} grace whether a timer that fires late asks once more */
  ask(grace = true) {
    const words = this.#words;
    const { now, random } = this.#options;
    const wait = ANSWER + random() * JITTER;
    const due = now() + wait;
    this.#ask();
    this.#after(wait, () => {
      if (words !== this.#words) return this.#look();
      if (grace && now() - due > LATE) return this.ask(false);
      this.heard(); // the next leader has as much time
      this.#look();
      this.#gone();
    });
  }

  stop() {
    this.#options.clearTimeout(this.#timer);
  }

  /**
   * @param {number} wait milliseconds
   * @param {() => void} run
   */
  #after(wait, run) {
    this.stop();
    this.#timer = this.#options.setTimeout(run, wait);
  }
}

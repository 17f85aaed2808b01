/** A follower's eye on its leader: who says nothing is asked, who does not answer is gone. */

// Milliseconds of silence after which the leader is asked; by chance up to SPREAD more, so that one follower asks for
// all. Leaders do not beat by themselves: timers of a hidden page may come once a minute, messages come at once.
const QUIET = 4_000;
const SPREAD = 1_000;
// Milliseconds that the answer may take; by chance up to JITTER more, so that not all act together.
const ANSWER = 4_000;
const JITTER = 2_000;
// Milliseconds that a timer may be late; beyond, this page or the machine slept, and the leader is asked once more.
const LATE = 2_000;

export class LeaderWatch {
  #options;
  #ask;
  #gone;
  #timer = null;
  #words = 0;
  #heardAt = 0;

  /** `ask` is called to make the leader speak, `gone` when it did not. */
  constructor(options, ask, gone) {
    this.#options = options;
    this.#ask = ask;
    this.#gone = gone;
  }

  /** Call this when the leader said anything. */
  heard() {
    this.#words += 1;
    this.#heardAt = this.#options.now();
  }

  #look() {
    const { now, random } = this.#options;
    const quiet = QUIET + random() * SPREAD;
    this.#after(quiet - (now() - this.#heardAt), () => (now() - this.#heardAt >= QUIET ? this.ask() : this.#look()));
  }

  /** Have the leader say something soon, or be gone. */
  ask(grace = true) {
    const words = this.#words;
    const { now, random } = this.#options;
    const wait = ANSWER + random() * JITTER;
    const due = now() + wait;
    this.#ask();
    this.#after(wait, () => {
      if (words !== this.#words) return this.#look();
      if (grace && now() - due > LATE) return this.ask(false);
      this.heard(); // whoever takes over has as long
      this.#look();
      this.#gone();
    });
  }

  stop() {
    this.#options.clearTimeout(this.#timer);
  }

  #after(wait, run) {
    this.stop();
    this.#timer = this.#options.setTimeout(run, wait);
  }
}

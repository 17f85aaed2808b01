/** A fake clock and fake servers for the tests of the stream. */

export class Clock {
  now = 1_000_000;
  #timers = new Map();
  #ids = 0;

  setTimeout = (run, wait) => {
    this.#timers.set(++this.#ids, { at: this.now + wait, run });
    return this.#ids;
  };

  clearTimeout = (id) => void this.#timers.delete(id);

  /** Advance by `wait` ms: run due timers in order, and let promises resolve in between. */
  async pass(wait) {
    const end = this.now + wait;
    for (;;) {
      await letPromisesResolve();
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.now = Math.max(this.now, due[1].at);
      due[1].run();
    }
    this.now = end;
    await letPromisesResolve();
  }

  /** Let time pass without running timers, like a machine that slept. */
  sleep(wait) {
    this.now += wait;
  }
}

export async function letPromisesResolve() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A fake server: the test opens, writes and ends its answers. */
export class Server {
  requests = [];
  answers = [];

  fetch = async (url, { headers, signal }) => {
    const answer = this.answers.shift() ?? {};
    const request = { url, headers, open: true };
    this.requests.push(request);
    if (answer.error) throw new Error(answer.error);
    const body = new ReadableStream({
      start: (controller) => {
        request.write = (text) => controller.enqueue(new TextEncoder().encode(text));
        request.end = () => controller.close();
        signal.addEventListener("abort", () => {
          request.open = false;
          try {
            controller.error(new DOMException("aborted", "AbortError"));
          } catch {}
        });
      },
    });
    const { status = 200, type = "text/event-stream; charset=utf-8", ...more } = answer;
    return new Response(status === 204 ? null : body, { status, headers: { "Content-Type": type, ...more.headers } });
  };

  get last() {
    return this.requests.at(-1);
  }
}

export function frame(envelope, id) {
  return `${id ? `id: ${id}\n` : ""}data: ${JSON.stringify(envelope)}\n\n`;
}

export const connected = (id, more = {}) =>
  frame({ event: "connected", resumed: true, replay: 0, heartbeat: 30, head: id, ...more }, id);

export const item = (id, n = 1) => frame({ event: "new_workitem", data: { id: `wi_${n}` } }, id);

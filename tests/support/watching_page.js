/* Runs in a page of the server: follows the stream and records its events in `window.record` (record.py). */
async (kind) => {
  const record = { kind, runs: [], reconnects: 0, rotations: 0, refused: 0 };
  window.record = record;
  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  async function load(run) {
    for (;;) {
      try {
        const items = {};
        let head = "", before = "";
        do {
          const page = await (await fetch(`/api/workitems?limit=200${before}`)).json();
          head ||= page.head;
          for (const { id, version } of page.items) items[id] = version;
          before = page.next ? `&before=${page.next}` : "";
        } while (before);
        [run.head, run.items] = [head, items];
        return head;
      } catch {
        await wait(500);
      }
    }
  }

  function begin(start) {
    record.runs.push({ start, received: [], head: "", items: null });
    return record.runs.at(-1);
  }

  function recordEvent(event, cursor, data) {
    if (event === "reset") load(begin(cursor));
    else if (event.includes("workitem")) record.runs.at(-1).received.push([cursor, data.id, data.version]);
  }

  const first = begin("");
  first.start = await load(first);
  if (kind === "EventSource") {
    const source = new EventSource(`/sse/workitems?last_event_id=${first.start}`);
    source.onmessage = ({ data, lastEventId }) => {
      const message = JSON.parse(data);
      if (message.event === "busy") record.refused += 1;
      recordEvent(message.event, lastEventId, message.data);
    };
    source.onerror = () => (record.reconnects += 1);
    window.isLive = () => source.readyState === EventSource.OPEN;
  } else {
    const { WorkItemStream } = await import("/static/js/stream.js");
    const stream = new WorkItemStream({ cursor: first.start });
    stream.addEventListener("event", ({ detail }) => recordEvent(detail.event, detail.cursor, detail.data));
    stream.addEventListener("state", () => {
      [record.reconnects, record.rotations] = [stream.stats.reconnects, stream.stats.rotations];
    });
    window.isLive = () => stream.state.name === "live";
    stream.start();
  }
}

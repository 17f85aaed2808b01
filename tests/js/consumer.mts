/** A strict program that uses all of the client. It is compiled, not run (test_types.py). */

import { WorkItemStream, type State, type WorkItem, type Cursor } from "../../server/static/js/client/stream.js";
import { SharedWorkItemStream } from "../../server/static/js/client/shared-stream.js";

const show = (item: WorkItem): string => `${item.subject} ${item.status}`;
for (const stream of [
  new WorkItemStream({ url: new URL("https://a.example/sse/workitems"), getToken: async () => "x", cursor: "5-1" }),
  new SharedWorkItemStream({ url: "/sse/workitems?mailbox=in", share: () => "ana", getToken: () => null }),
]) {
  stream.cursor = "1-1";
  stream.addEventListener("new_workitem", ({ detail }) => console.log(show(detail.data), detail.left === true, detail.cursor.length));
  stream.addEventListener("workitem_removed", ({ detail }) => console.log(detail.data.submission_ref));
  stream.addEventListener("reset", ({ detail: { head, reason } }) => console.log(head, reason));
  stream.addEventListener("state", ({ detail }) => {
    const state: State = detail;
    console.log(state.name === "live", state.retryAt?.toFixed());
  });
  stream.addEventListener("event", ({ detail }) => console.log(detail.event));
  stream.addEventListener("mailbox_status", ({ detail }) => console.log(detail.data.state));
  stream.addEventListener("something_new", (event) => console.log((event as CustomEvent).detail));
  const listener = (event: CustomEvent<State>) => console.log(event.detail.since);
  stream.addEventListener("state", listener, { once: true });
  stream.removeEventListener("state", listener);
  stream.start();
  stream.drop();
  stream.reconnect();
  stream.reconnect("5-1");
  stream.close();
  stream.close("signed out");
  const cursor: Cursor = stream.cursor;
  const { opened, events }: { opened: number; events: Readonly<Record<string, number>> } = stream.stats;
  const target: EventTarget = stream;
  console.log(cursor, opened, events.heartbeat, target);
}
new SharedWorkItemStream({ share: null, locks: navigator.locks, channel: (name) => new BroadcastChannel(name), page: window });
new WorkItemStream({ setTimeout: (r, ms) => setTimeout(r, ms), clearTimeout: (id) => clearTimeout(id), page: globalThis }).start(Date.now() + 5);
// @ts-expect-error no such option
new WorkItemStream({ share: "x" });
// @ts-expect-error state is read only
new WorkItemStream().state = { name: "live", since: 0, reason: "", retryAt: null };
// @ts-expect-error a status that cannot be
new WorkItemStream().addEventListener("new_workitem", ({ detail }) => detail.data.status === "open");

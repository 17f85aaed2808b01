import type { Cursor, Options, State, Stats, StreamEventMap } from "./stream.js";

export interface SharedOptions extends Options {
  /**
   * The name of the reader. Only tabs with the same name and the same `url` share a stream; null: this tab does not share.
   * With `getToken` nothing is shared unless a name is given. A function is called whenever the tab begins to share.
   */
  share?: string | null | (() => string | null);
  /** The lock manager. Default: the browser's Web Locks; without them this tab has a stream of its own. */
  locks?: Pick<LockManager, "request"> | null;
  /** Makes a channel to the other tabs. Default: a BroadcastChannel. */
  channel?: ((name: string) => Pick<BroadcastChannel, "postMessage" | "close" | "onmessage">) | null;
}

/** One stream for all tabs of a browser, used like WorkItemStream. */
export class SharedWorkItemStream extends EventTarget {
  constructor(options?: SharedOptions);
  /** The cursor up to which this tab dispatched every event; may be set before `start`. */
  cursor: Cursor;
  /** The state of the one stream, the same in every tab. */
  readonly state: State;
  /** `opened`, `reconnects`, `rotations`, `bytes` are those of the tab that has the stream; the others this tab's. */
  readonly stats: Stats;
  /** Open the stream or join it; also again after `signed_out` or `stopped`, for all tabs. */
  start(): void;
  /** End the stream of this tab; the other tabs keep theirs. */
  close(reason?: string): void;
  /** Lose the connection of all tabs as by a network error. */
  drop(): void;
  /** Open at once, for all tabs; from another cursor if one is given. */
  reconnect(cursor?: Cursor): void;

  addEventListener<Name extends keyof StreamEventMap>(
    name: Name, listener: (event: StreamEventMap[Name]) => void, options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    name: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Name extends keyof StreamEventMap>(
    name: Name, listener: (event: StreamEventMap[Name]) => void, options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    name: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions,
  ): void;
}

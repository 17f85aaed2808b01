import type { Cursor, Options, State, Stats, StreamEventMap } from "./stream.js";

export interface SharedOptions extends Options {
  /**
   * Who reads. Only tabs with the same name and the same `url` share a stream; null: this tab shares with none. With
   * `getToken` nothing is shared unless a name is given. A function is asked whenever the tab begins to share.
   */
  share?: string | null | (() => string | null);
  /** What gives locks. Default: the browser's Web Locks; without them this tab has a stream of its own. */
  locks?: Pick<LockManager, "request"> | null;
  /** Makes a channel to the other tabs. Default: a BroadcastChannel. */
  channel?: ((name: string) => Pick<BroadcastChannel, "postMessage" | "close" | "onmessage">) | null;
}

/** One stream for all tabs of a browser, used like WorkItemStream. */
export class SharedWorkItemStream extends EventTarget {
  constructor(options?: SharedOptions);
  /** The point up to which this tab was told everything; may be set before `start`. */
  cursor: Cursor;
  /** How the one stream is, in every tab. */
  readonly state: State;
  /** `opened`, `reconnects`, `rotations`, `bytes` are those of the tab that has the stream; the others this tab's. */
  readonly stats: Stats;
  /** Open the stream or join it; also again after `signed_out` or `stopped`, for all tabs. */
  start(): void;
  /** This tab leaves for good; the others go on. */
  close(reason?: string): void;
  /** Lose the connection of all tabs as a bad line would. */
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

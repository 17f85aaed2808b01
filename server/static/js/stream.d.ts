/** A `<epoch>-<n>` place in the stream; "" before the first. */
export type Cursor = string;

export type StateName =
  | "idle" | "connecting" | "live" | "catching_up" | "reconnecting" | "offline" | "signed_out" | "stopped";

export interface State {
  name: StateName;
  /** Milliseconds since 1970 when this state began. */
  since: number;
  /** Why, in words; "" when there is nothing to say. */
  reason: string;
  /** Milliseconds since 1970 of the next try, null when none is planned. */
  retryAt: number | null;
}

export interface Stats {
  opened: number;
  reconnects: number;
  rotations: number;
  resets: number;
  duplicates: number;
  bytes: number;
  events: Record<string, number>;
  heartbeatAt: number | null;
}

/** The `detail` of every event but `state`: the stream's envelope and the id it came with. */
export interface Envelope {
  event: string;
  data?: Record<string, unknown>;
  cursor: Cursor;
  [more: string]: unknown;
}

export interface Options {
  /** Where the stream is; filters as its query. Default "/sse/workitems". */
  url?: string | URL;
  /** Tell what came after this, e.g. the `head` of a list. Default: from now on. */
  cursor?: Cursor;
  /** A bearer token, asked for at every opening; without it the cookie is used. */
  getToken?: () => string | null | Promise<string | null>;
  fetch?: typeof globalThis.fetch;
  random?: () => number;
  now?: () => number;
  setTimeout?: (run: () => void, milliseconds: number) => unknown;
  clearTimeout?: (id: unknown) => void;
  /** What tells of online, offline, pageshow and visibility: the window. */
  page?: unknown;
}

export class WorkItemStream extends EventTarget {
  constructor(options?: Options);
  cursor: Cursor;
  readonly state: State;
  readonly stats: Stats;
  /** Open the stream; also again after `signed_out` or `stopped`. */
  start(): void;
  /** End for good. */
  close(reason?: string): void;
  /** Lose the connection as a bad line would. */
  drop(): void;
  /** Open at once, from another cursor if one is given. */
  reconnect(cursor?: Cursor): void;
}

/** A position in the feed, `<epoch>-<n>`; "" before the first event. */
export type Cursor = string;

export type StateName =
  | "idle" | "connecting" | "live" | "catching_up" | "reconnecting" | "offline" | "signed_out" | "stopped";

export interface State {
  readonly name: StateName;
  /** Milliseconds since 1970 when this state began. */
  readonly since: number;
  /** Why, in words; "" without a reason. */
  readonly reason: string;
  /** Milliseconds since 1970 of the next try, null when none is planned. */
  readonly retryAt: number | null;
}

export interface Stats {
  readonly opened: number;
  readonly reconnects: number;
  readonly rotations: number;
  readonly resets: number;
  readonly duplicates: number;
  readonly bytes: number;
  /** How many envelopes of each event were dispatched. */
  readonly events: Readonly<Record<string, number>>;
  /** Milliseconds since 1970 of the last heartbeat. */
  readonly heartbeatAt: number | null;
}

/** The `detail` of every event but `state`: the stream's envelope, and the last id that came with or before it. */
export interface Envelope {
  readonly event: string;
  readonly cursor: Cursor;
  readonly [more: string]: unknown;
}

/** The list view of an item; more of it by `GET /api/workitems/<id>`. */
export interface WorkItem {
  readonly id: string;
  readonly mailbox: string;
  readonly submission_id: string;
  readonly submission_ref: string;
  readonly status: "new" | "in_progress" | "waiting" | "done" | "dismissed";
  readonly assignee: string | null;
  readonly version: number;
  readonly subject: string;
  readonly from_email: string;
  readonly from_name: string;
  /** UTC, ISO 8601 with `Z`. */
  readonly created_at: string;
  readonly extracted_fields: Readonly<Record<string, unknown>>;
  readonly [more: string]: unknown;
}

export interface ItemEnvelope extends Envelope {
  readonly event: "new_workitem" | "workitem_updated";
  readonly data: WorkItem;
  /** It no longer matches the stream's filter. */
  readonly left?: true;
}

export interface RemovedEnvelope extends Envelope {
  readonly event: "workitem_removed";
  readonly data: Readonly<Pick<WorkItem, "id" | "mailbox" | "submission_id" | "submission_ref">>;
}

export interface ConnectedEnvelope extends Envelope {
  readonly event: "connected";
  readonly schema: number;
  readonly connection_id: string;
  readonly head: Cursor;
  readonly resumed: boolean;
  readonly replay: number;
  /** Seconds. */
  readonly heartbeat: number;
  /** Seconds; 0: it is never rotated. */
  readonly max_age: number;
}

/** Events after the cursor are gone: load the list again, the stream continues from `head`. */
export interface ResetEnvelope extends Envelope {
  readonly event: "reset";
  readonly reason: string;
  readonly head: Cursor;
}

/** A state event: only the newest counts. */
export interface FactEnvelope extends Envelope {
  readonly data: Readonly<Record<string, unknown>>;
}

export interface StreamEventMap {
  /** The state of the stream changed. */
  state: CustomEvent<State>;
  /** Every envelope, after its own event. */
  event: CustomEvent<Envelope>;
  connected: CustomEvent<ConnectedEnvelope>;
  new_workitem: CustomEvent<ItemEnvelope>;
  workitem_updated: CustomEvent<ItemEnvelope>;
  workitem_removed: CustomEvent<RemovedEnvelope>;
  reset: CustomEvent<ResetEnvelope>;
  heartbeat: CustomEvent<Envelope>;
  store_status: CustomEvent<FactEnvelope>;
  mailbox_status: CustomEvent<FactEnvelope>;
  intake_status: CustomEvent<FactEnvelope>;
  import_progress: CustomEvent<FactEnvelope>;
  rotate: CustomEvent<Envelope>;
  busy: CustomEvent<Envelope>;
  bye: CustomEvent<Envelope>;
}

export interface Options {
  /** Where the stream is; filters as its query. Default "/sse/workitems". */
  url?: string | URL;
  /** Send events after this, for example after the `head` of a list. Default: from now on. */
  cursor?: Cursor;
  /** Returns a bearer token; called for every connection. Without it the cookie is used. */
  getToken?: (() => string | null | undefined | Promise<string | null | undefined>) | null;
  fetch?: typeof globalThis.fetch;
  /** From 0 to 1. */
  random?: () => number;
  /** Milliseconds since 1970. */
  now?: () => number;
  setTimeout?: (run: () => void, milliseconds: number) => unknown;
  clearTimeout?: (id: any) => void;
  /** The window, for its events online, offline, pageshow and visibilitychange. */
  page?: object;
}

export class WorkItemStream extends EventTarget {
  constructor(options?: Options);
  /** The cursor up to which every event was dispatched; may be set before `start`. */
  cursor: Cursor;
  readonly state: State;
  readonly stats: Stats;
  /** Open the stream, not before `notBefore` (milliseconds since 1970); also again after `signed_out` or `stopped`. */
  start(notBefore?: number): void;
  /** End the stream; only `start` opens it again. */
  close(reason?: string): void;
  /** Lose the connection as by a network error. */
  drop(): void;
  /** Do at once what is overdue: timers of a hidden page may be late. */
  look(): void;
  /** Open at once, from another cursor if one is given. */
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

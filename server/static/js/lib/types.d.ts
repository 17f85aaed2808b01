/** Types that several modules of the page use. The compiler reads them; nothing loads this file. */

import type { Cursor, State, Stats, StreamEventMap, WorkItem } from "../client/stream.js";

/** A status, `open` for all that are not closed, or `all`. */
export type ViewStatus = string;

export interface Attachment {
  n: number;
  name: string;
  size: number;
  /** Why the file, or the rest of it, was not read. */
  unread?: string;
}

/** Where a value was found; `start` and `end` count UTF-16 code units of `source`. */
export interface Evidence {
  raw: string;
  source: string;
  start: number;
  end: number;
  confidence?: number;
}

export interface HistoryStep {
  at: string;
  who: string;
  field: string;
  before: string;
  after: string;
}

/** The list view of an item, as lists, events and answers to a change have it. */
export interface Item extends WorkItem {
  /** The order key: lists show the highest first. Any number. */
  seq: number;
  preview: string;
  kind: string;
  test?: boolean;
  flags?: string[];
  attachments?: Attachment[];
}

/** A whole item, as `GET /api/workitems/<id>` has it. */
export interface WholeItem extends Item {
  text?: string;
  to?: string[];
  reason?: string;
  has_html?: boolean;
  evidence?: Record<string, Evidence>;
  corrections?: Record<string, unknown>;
  history?: HistoryStep[];
  also_in?: string[];
}

/** One page of a list. `next` is null on the last page; `head` is the cursor at which it was read. */
export interface ItemPage {
  items: Item[];
  next: string | null;
  head: Cursor;
}

/** Who is signed in, from `GET /api/session`. */
export interface Session {
  name: string;
  role: string;
  scopes?: string[];
  test_items?: boolean;
  /** What changes must show in X-XSRFToken. */
  xsrf: string;
}

/** What a person wants to change. */
export interface WantedChange {
  status?: WorkItem["status"];
  assignee?: string | null;
}

/** One entry of the quarantine. */
export interface QuarantineEntry {
  id: string;
  reference: string;
  since: string;
  reason: string;
}

/** What a page needs of a stream: WorkItemStream and SharedWorkItemStream both have it. */
export interface PageStream {
  cursor: Cursor;
  readonly state: State;
  readonly stats: Stats;
  start(): void;
  close(reason?: string): void;
  drop(): void;
  reconnect(cursor?: Cursor): void;
  addEventListener<Name extends keyof StreamEventMap>(name: Name, listener: (event: StreamEventMap[Name]) => void): void;
}

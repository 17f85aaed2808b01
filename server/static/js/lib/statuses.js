/** The statuses of a work item, as in workitems/base/statuses.py; tests/workitems/queue/test_statuses.py compares the two. */

/** @typedef {import("../client/stream.js").WorkItem["status"]} Status */

/** @type {readonly Status[]} In the order of a list of buttons. */
export const STATUSES = ["new", "in_progress", "waiting", "done", "dismissed"];

/** @type {readonly string[]} The views of the queue, in the order of the filters. */
export const VIEWS = ["open", ...STATUSES, "all"];

/** @type {readonly Status[]} Statuses of items that need no more work. */
export const CLOSED_STATUSES = ["done", "dismissed"];

/** @type {readonly Status[]} Statuses of items that still need work. */
export const OPEN_STATUSES = STATUSES.filter((status) => !CLOSED_STATUSES.includes(status));

/** @param {Status} status */
export const isClosed = (status) => CLOSED_STATUSES.includes(status);

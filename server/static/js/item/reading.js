/** What of an item comes from reading its mail, and what from people. Pure. */

/** @typedef {import("../lib/types.js").WholeItem} WholeItem */

// What people change, what follows from it, and what other items change. All else is from the reading.
const NOT_OF_READING = new Set(["status", "assignee", "version", "seq", "submission_id", "submission_ref", "extracted_fields",
  "corrections", "history", "also_in"]);

/**
 * Return whether two states of an item show the same reading of its mail. All of it is compared: a new reading may
 * differ only in evidence or in an attachment, and `version` counts people's changes alone.
 * @param {WholeItem} one
 * @param {WholeItem} other
 */
export const isSameReading = (one, other) => readingOf(one) === readingOf(other);

/** @param {WholeItem} item */
function readingOf(item) {
  return JSON.stringify(Object.entries(item).filter(([name]) => !NOT_OF_READING.has(name)).sort(([a], [b]) => (a < b ? -1 : 1)));
}

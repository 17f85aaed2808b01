/** One row of the list: made once, then only what differs is written. Its height never changes. */

import { element, mark, write } from "../lib/element.js";
import { flagWord, fullTime, initials, kindWord, rowTime, sender, statusWord, subject, visible } from "../lib/format.js";

/**
 * @typedef {import("../lib/types.js").Item} Item
 * @typedef {Record<"marks" | "preview" | "reference" | "shape" | "sender" | "when" | "subject" | "assignee", HTMLElement>} Parts
 * @typedef {HTMLElement & { parts: Parts, dataset: { id: string } }} Row
 */

const SHOWN_FLAGS = ["needs_review", "oversized", "missing_required"];

/** @param {Item} item */
export function makeRow(item) {
  const parts = {
    marks: element("span", { class: "marks" }), preview: element("bdi", { class: "preview" }),
    reference: element("span", { class: "reference" }), shape: element("span", { class: "shape", "aria-hidden": "true" }),
    sender: element("bdi", { class: "sender" }), when: element("time", { class: "when" }),
    subject: element("bdi", { class: "subject" }), assignee: element("span", { class: "assignee" }),
  };
  const line = element("div", { class: "third" }, parts.marks, parts.preview, parts.reference);
  const cell = element("div", { role: "gridcell", class: "cell" }, parts.shape,
    parts.sender, parts.when, parts.subject, parts.assignee, line);
  const made = element("div", { role: "row", class: "row", tabindex: "-1", "data-id": item.id }, cell);
  const row = /** @type {Row} */ (/** @type {HTMLElement} */ (Object.assign(made, { parts })));
  updateRow(row, item);
  return row;
}

/**
 * Write the item into its row.
 * @param {Row} row
 * @param {Item} item
 * @param {string} note why the row is still there although its item left the view
 */
export function updateRow(row, item, note = "") {
  const { parts } = row;
  mark(row, "data-status", item.status);
  mark(row, "data-test", item.test);
  mark(row, "data-leaving", Boolean(note));
  write(parts.sender, sender(item));
  write(parts.subject, subject(item));
  write(parts.when, rowTime(item.created_at));
  mark(parts.when, "datetime", item.created_at);
  mark(parts.when, "title", fullTime(item.created_at));
  write(parts.reference, item.submission_ref ?? "");
  write(parts.preview, note || visible(item.preview));
  write(parts.assignee, item.assignee ? initials(item.assignee) : "");
  mark(parts.assignee, "title", item.assignee ? `Assigned to ${item.assignee}` : null);
  const marks = marksOf(item);
  if (parts.marks.dataset.of !== marks.join()) {
    parts.marks.dataset.of = marks.join();
    parts.marks.replaceChildren(...marks.map((word) => element("span", { class: /^\d/.test(word) ? "chip files" : "chip" }, word)));
  }
  mark(row, "aria-label", spokenName(item, note));
}

/** @param {Item} item */
function marksOf(item) {
  const marks = item.flags?.filter((flag) => SHOWN_FLAGS.includes(flag)).slice(0, 1).map(flagWord) ?? [];
  const kind = kindWord(item.kind);
  if (kind) marks.push(kind);
  if (item.test) marks.push("test");
  if (item.attachments?.length) marks.push(String(item.attachments.length));
  return marks;
}

/**
 * Return what a screen reader says of a row. What differs between rows comes first, since a person hears many of them.
 * @param {Item} item
 * @param {string} note
 */
function spokenName(item, note) {
  const files = item.attachments?.length ?? 0;
  const flags = (item.flags ?? []).map(flagWord);
  return [
    statusWord(item.status), sender(item), subject(item), rowTime(item.created_at), ...flags, kindWord(item.kind),
    files ? `${files} attachment${files > 1 ? "s" : ""}` : null, item.assignee ? `assigned to ${item.assignee}` : null,
    item.submission_ref, note,
  ].filter(Boolean).join(", ");
}

/** One row of the list: made once, then only what differs is written. Its height never changes. */

import { element, mark, write } from "./element.js";
import { flagWord, fullTime, initials, kindWord, rowTime, sender, statusWord, subject, visible } from "./format.js";

const SHOWN_FLAGS = ["needs_review", "oversized", "missing_required"];

export function makeRow(item) {
  const parts = {};
  const part = (name, tag = "span", attributes = {}) => (parts[name] = element(tag, { class: name, ...attributes }));
  const line = element("div", { class: "third" }, part("marks"), part("preview", "bdi"), part("reference"));
  const cell = element("div", { role: "gridcell", class: "cell" }, part("shape", "span", { "aria-hidden": "true" }),
    part("sender", "bdi"), part("when", "time"), part("subject", "bdi"), part("assignee"), line);
  const row = element("div", { role: "row", class: "row", tabindex: "-1", "data-id": item.id }, cell);
  row.parts = parts;
  updateRow(row, item);
  return row;
}

/** Writes the item into its row; `note` says in words why the row is only still there. */
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
  mark(row, "aria-label", name(item, note));
}

function marksOf(item) {
  const marks = item.flags?.filter((flag) => SHOWN_FLAGS.includes(flag)).slice(0, 1).map(flagWord) ?? [];
  const kind = kindWord(item.kind);
  if (kind) marks.push(kind);
  if (item.test) marks.push("test");
  if (item.attachments?.length) marks.push(String(item.attachments.length));
  return marks;
}

/** What differs comes first: a person hears many of them. */
function name(item, note) {
  const files = item.attachments?.length ?? 0;
  const flags = (item.flags ?? []).map(flagWord);
  return [
    statusWord(item.status), sender(item), subject(item), rowTime(item.created_at), ...flags, kindWord(item.kind),
    files ? `${files} attachment${files > 1 ? "s" : ""}` : null, item.assignee ? `assigned to ${item.assignee}` : null,
    item.submission_ref, note,
  ].filter(Boolean).join(", ");
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSameReading } from "../../server/static/js/item/reading.js";

const item = (more) => ({ id: "wi_1", status: "new", version: 1, preview: "Hello", text: "Hello …", extracted_fields: { a: "1" },
  evidence: { a: { raw: "1", start: 3, end: 4 } }, attachments: [], history: [], ...more });

test("a change by a person is no new reading", () => {
  const changed = item({ status: "done", assignee: "ana", version: 4, extracted_fields: { a: "2" }, corrections: { a: "2" },
    history: [{ field: "status" }] });
  assert.equal(isSameReading(item(), changed), true);
});

test("the order of the names does not matter", () => {
  assert.equal(isSameReading({ id: "wi_1", text: "x" }, { text: "x", id: "wi_1" }), true);
});

test("a new reading is noticed wherever it differs, even with the same version and preview", () => {
  for (const more of [{ text: "Hello !" }, { evidence: { a: { raw: "1", start: 5, end: 6 } } }, { has_html: true },
    { attachments: [{ n: 1, name: "a.pdf" }] }, { flags: ["no_text"] }, { reason: "it was cut short" }]) {
    assert.equal(isSameReading(item(), item(more)), false, JSON.stringify(more));
  }
});

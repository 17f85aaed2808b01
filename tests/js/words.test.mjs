import assert from "node:assert/strict";
import { test } from "node:test";
import { words } from "../../server/static/js/page/connection-light.js";
import { blocks, locate, quote } from "../../server/static/js/item/evidence.js";
import { duration, initials, sentence, size, valueText, visible } from "../../server/static/js/lib/format.js";
import { lastChange, stepWords } from "../../server/static/js/item/history.js";

test("blocks join to the text, are short, and never split a character", () => {
  for (const text of ["", "a", "a\nb\n", "line\n".repeat(95), "🎉".repeat(20_000), "x" + "🎉".repeat(3_000) + "\nend"]) {
    const found = blocks(text);
    assert.equal(found.map((block) => block.text).join(""), text);
    let at = 0;
    for (const block of found) {
      assert.equal(block.start, at);
      at += block.text.length;
      assert.ok(block.text.length <= 2_000 && block.text.split("\n").length <= 21);
      assert.ok(block.text.isWellFormed?.() ?? true);
    }
  }
});

test("evidence is found at its offsets, else where its text is, else nowhere", () => {
  const text = "🎉 Ref: AB-1";
  assert.deepEqual(locate(text, { raw: "AB-1", start: 8, end: 12 }), { start: 8, end: 12 });
  assert.deepEqual(locate(text, { raw: "AB-1", start: 0, end: 4 }), { start: 8, end: 12 });
  assert.equal(locate(text, { raw: "AB-2", start: 8, end: 12 }), null);
  assert.deepEqual(quote("one\nRef: AB-1 please\ntwo", { start: 9, end: 13 }), { before: "Ref: ", raw: "AB-1", after: " please" });
});

test("values are shown by their type and lose no digit", () => {
  assert.equal(valueText({ amount: "12345678901234567.50", currency: "USD" }), "12,345,678,901,234,567.50 USD");
  assert.equal(valueText({ amount: "-5", currency: "" }), "-5");
  assert.equal(valueText({ amount: "128500.00" }), "128,500.00");
  assert.match(valueText("2027-01-05"), /Jan.*5.*2027/);
  assert.match(valueText("2027-01-05T09:30:00+02:00"), /2027, 09:30 \+02:00$/);
  assert.equal(valueText("2027-13-45"), "2027-13-45");
  assert.equal(valueText(["a", 2]), "a, 2");
});

test("characters that reverse or hide text are replaced one for one; those that emoji need stay", () => {
  assert.equal(visible("a\u202Eb\u200Bc\0"), "a␣b␣c␣");
  assert.equal(visible("👩‍👩‍👧"), "👩‍👩‍👧");
  assert.equal(visible(null), "");
});

test("names, initials, durations and sizes have a short form", () => {
  assert.equal(sentence("policy_number"), "Policy number");
  assert.deepEqual(["ana.silva", "demo", "王小明", ""].map(initials), ["AS", "DE", "王小", "?"]);
  assert.deepEqual([4_000, 200_000, 7_200_000].map(duration), ["4 s", "3 min", "2 h"]);
  assert.deepEqual([12, 48_213, 2_500_000, undefined].map(size), ["12 bytes", "48.2 kB", "2.5 MB", ""]);
});

test("history entries are sentences, and only steps of people are changes", () => {
  const step = (field, before, after) => stepWords({ who: "ben", field, before, after });
  assert.equal(step("status", "new", "in_progress"), "ben set it to In progress");
  assert.equal(step("assignee", "", "ben"), "ben took it");
  assert.equal(step("assignee", "", "ana"), "ben assigned it to ana");
  assert.equal(step("assignee", "ben", ""), "ben released it");
  assert.equal(step("assignee", "ana", ""), "ben took it from ana");
  assert.equal(step("fields.policy_number", "1", "2"), "ben corrected policy number");
  const history = [{ who: "tubepost", field: "created", before: "", after: "SUB-1" },
    { who: "ben", field: "status", before: "new", after: "done" }, { who: "tubepost", field: "reading", before: "0", after: "1" }];
  assert.equal(lastChange({ history }).who, "ben");
  assert.equal(lastChange({ history: history.slice(0, 1) }), null);
});

test("each state of the stream has a word, a reason and an advice", () => {
  const state = { name: "reconnecting", reason: "the server is busy", retryAt: 9_000, since: 0 };
  assert.deepEqual(words(state, 1_000), { word: "Reconnecting in 8 s", why: "the server is busy", action: "Now" });
  assert.deepEqual(words({ name: "live", reason: "", retryAt: null }, 0), { word: "Live", why: "", action: "" });
  assert.equal(words({ name: "signed_out", reason: "x", retryAt: null }, 0).action, "Sign in");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { Health } from "../../server/static/js/health.js";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const clock = (iso) => new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" }).format(new Date(iso));
const SINCE = "2026-11-22T09:12:00Z";
const CHECKED = "2026-11-22T09:10:00Z";

function knows(...told) {
  const health = new Health();
  for (const [event, data] of told) health.told({ event, data });
  return health;
}

const mailbox = (more) => ["mailbox_status", { name: "claims", state: "watching", reason: "", advice: "", checked: CHECKED,
  since: null, rebaselined: null, after: { waiting: 0, error: "" }, ...more }];
const alone = (more) => ["intake_status", { alone: true, workers: 0, checked: CHECKED, quarantine: { count: 0 }, ...more }];
const words = (health) => health.banners(NOW).map((banner) => `${banner.name} ${banner.words}`.trim());

test("a mailbox that is well says nothing, nor one that connects or is in a state of tomorrow", () => {
  for (const state of ["watching", "connecting", "dreaming"]) assert.deepEqual(words(knows(mailbox({ state }))), []);
});

test("who must sign in is told since when, why, and what to do, and it is urgent", () => {
  const health = knows(mailbox({ state: "needs_sign_in", since: SINCE, reason: "AUTHENTICATE failed.", checked: null,
    advice: "An administrator runs: run.py authorize claims" }));
  assert.deepEqual(words(health), [
    `claims needs sign-in since ${clock(SINCE)} (AUTHENTICATE failed). An administrator runs: run.py authorize claims`,
  ]);
  assert.equal(health.banners(NOW)[0].urgent, true);
});

test("a mailbox that fails tells when it was last checked, in clock times that stay true", () => {
  const health = knows(mailbox({ state: "failing", since: SINCE, reason: "no route" }));
  assert.deepEqual(words(health), [`claims is not read since ${clock(SINCE)} (no route). Last checked at ${clock(CHECKED)}.`]);
});

test("that no worker runs is said once and not for each mailbox", () => {
  const health = knows(mailbox({ state: "unwatched", reason: "no worker is running" }), alone());
  assert.deepEqual(words(health), [
    `No worker is running: new mail is not read. Mailboxes were last checked at ${clock(CHECKED)}. An administrator starts the workers.`,
  ]);
  assert.equal(health.told({ event: "intake_status", data: { alone: false, quarantine: { count: 0 } } }), true);
  assert.match(words(health)[0], /^claims is watched by no worker/);
});

test("a mailbox that was numbered anew is news for an hour that can be put away", () => {
  const health = knows(mailbox({ rebaselined: "2026-11-22T11:10:00Z" }));
  assert.deepEqual(words(health), ["claims was numbered anew by its mail server; nothing is lost or doubled."]);
  assert.equal(health.banners(NOW)[0].news, true);
  assert.deepEqual(health.banners(NOW + 1_000_000), []);
});

test("what cannot be done in a mailbox is told beside its state, and the urgent comes first", () => {
  const health = knows(mailbox({ after: { waiting: 3, error: "no such folder" } }),
    mailbox({ name: "orders", state: "needs_sign_in", reason: "no" }), mailbox({ name: "zoo", state: "paused", reason: "full" }));
  assert.deepEqual(health.banners(NOW).map(({ name, urgent }) => [name, urgent]), [["orders", true], ["claims", false], ["zoo", false]]);
  assert.match(words(health)[1], /cannot be marked or moved there \(no such folder\)\. It is tried again/);
});

test("what hides or turns text is a sign in a banner too", () => {
  const health = knows(mailbox({ state: "failing", reason: "a\u202Eb" }));
  assert.match(words(health)[0], /a␣b/);
});

test("old mail is counted while it is read", () => {
  const progress = (more) => ["import_progress", { mailbox: "claims", folder: "INBOX", taken: 1204, todo: 8310, going_on: true, ...more }];
  assert.deepEqual(knows(progress()).progress().map((bar) => bar.words), ["claims: reading old mail: 1,204 of 8,310"]);
  assert.match(knows(progress({ folder: "Old" })).progress()[0].words, /old mail in Old: /);
  assert.deepEqual(knows(progress(), progress({ going_on: false })).progress(), []);
});

test("a new stream tells what is not well: what it does not tell again is over", () => {
  const health = knows(mailbox({ state: "failing", reason: "x" }), mailbox({ name: "orders", state: "failing", reason: "y" }),
    alone({ quarantine: { count: 3 } }));
  health.doubt();
  assert.equal(health.banners(NOW).length, 3);
  health.told({ event: "mailbox_status", data: mailbox({ name: "orders", state: "failing", reason: "y" })[1] });
  health.settle();
  assert.deepEqual(health.banners(NOW).map(({ name }) => name), ["orders"]);
  assert.equal(health.quarantined, 0);
});

test("other events and records without a name are not ours", () => {
  const health = new Health();
  for (const event of ["new_workitem", "store_status", "mailbox_status", "import_progress", "intake_status"]) {
    assert.equal(health.told({ event }), false);
  }
});

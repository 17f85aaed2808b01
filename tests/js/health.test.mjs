import assert from "node:assert/strict";
import { test } from "node:test";
import { Health } from "../../server/static/js/page/health.js";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const clock = (iso) => new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" }).format(new Date(iso));
const SINCE = "2026-11-22T09:12:00Z";
const CHECKED = "2026-11-22T09:10:00Z";

function knows(...facts) {
  const health = new Health();
  for (const [event, data] of facts) health.take({ event, data });
  return health;
}

const mailbox = (more) => ["mailbox_status", { name: "claims", state: "watching", reason: "", advice: "", checked: CHECKED,
  since: null, rebaselined: null, after: { waiting: 0, error: "" }, ...more }];
const alone = (more) => ["intake_status", { no_worker: true, workers: 0, checked: CHECKED, quarantine: { count: 0 }, ...more }];
const words = (health) => health.banners(NOW).map((banner) => `${banner.name} ${banner.words}`.trim());

test("a mailbox that is healthy, connects or has an unknown state has no banner", () => {
  for (const state of ["watching", "connecting", "dreaming"]) assert.deepEqual(words(knows(mailbox({ state }))), []);
});

test("the banner of a mailbox that needs sign-in says since when, why and what to do, and is urgent", () => {
  const health = knows(mailbox({ state: "needs_sign_in", since: SINCE, reason: "AUTHENTICATE failed.", checked: null,
    advice: "An administrator runs: run.py authorize claims" }));
  assert.deepEqual(words(health), [
    `claims needs sign-in since ${clock(SINCE)} (AUTHENTICATE failed). An administrator runs: run.py authorize claims`,
  ]);
  assert.equal(health.banners(NOW)[0].urgent, true);
});

test("the banner of a failing mailbox gives the time of the last check as a clock time, which stays correct", () => {
  const health = knows(mailbox({ state: "failing", since: SINCE, reason: "no route" }));
  assert.deepEqual(words(health), [`claims is not read since ${clock(SINCE)} (no route). Last checked at ${clock(CHECKED)}.`]);
});

test("a missing worker has one banner and not one for each mailbox", () => {
  const health = knows(mailbox({ state: "unwatched", reason: "no worker is running" }), alone());
  assert.deepEqual(words(health), [
    `No worker is running: new mail is not read. Mailboxes were last checked at ${clock(CHECKED)}. An administrator starts the workers.`,
  ]);
  assert.equal(health.take({ event: "intake_status", data: { no_worker: false, quarantine: { count: 0 } } }), true);
  assert.match(words(health)[0], /^claims is watched by no worker/);
});

test("what is wrong with Redis is shown: an error is urgent, and a warning can be dismissed", () => {
  const finding = (kind, error) => ({ kind, error, message: `it has ${kind}`, advice: "Correct it." });
  const health = knows(alone({ no_worker: false, redis: [finding("fsync", false), finding("eviction", true)] }));
  assert.deepEqual(words(health), ["Redis it has eviction. Correct it.", "Redis it has fsync. Correct it."]);
  assert.deepEqual(health.banners(NOW).map(({ urgent, news }) => [urgent, news]), [[true, false], [false, true]]);
  assert.deepEqual(words(knows(alone({ no_worker: false, redis: [] }))), []);
});

test("changed field rules that cannot be used are shown until they can, and cannot be dismissed", () => {
  const finding = { kind: "rules", error: true, message: "those in the settings file are not used by one", advice: "Mend it." };
  const health = knows(alone({ no_worker: false, rules: [finding] }));
  assert.deepEqual(words(health), ["Field rules those in the settings file are not used by one. Mend it."]);
  assert.deepEqual(health.banners(NOW).map(({ urgent, news }) => [urgent, news]), [[false, undefined]]);
  assert.deepEqual(words(knows(alone({ no_worker: false, rules: [] }))), []);
});

test("a new UIDVALIDITY has a banner for an hour, which can be dismissed", () => {
  const health = knows(mailbox({ rebaselined: "2026-11-22T11:10:00Z" }));
  assert.deepEqual(words(health), ["claims its mail server gave all mails new numbers, so the mailbox is read again. Nothing is lost, and nothing comes twice."]);
  assert.equal(health.banners(NOW)[0].news, true);
  assert.deepEqual(health.banners(NOW + 1_000_000), []);
});

test("a failing after-action has a banner of its own, and urgent banners come first", () => {
  const health = knows(mailbox({ after: { waiting: 3, error: "no such folder" } }),
    mailbox({ name: "orders", state: "needs_sign_in", reason: "no" }), mailbox({ name: "zoo", state: "paused", reason: "full" }));
  assert.deepEqual(health.banners(NOW).map(({ name, urgent }) => [name, urgent]), [["orders", true], ["claims", false], ["zoo", false]]);
  assert.match(words(health)[1], /cannot be marked or moved there \(no such folder\)\. It is tried again/);
});

test("characters that hide or reverse text are replaced in a banner too", () => {
  const health = knows(mailbox({ state: "failing", reason: "a\u202Eb" }));
  assert.match(words(health)[0], /a␣b/);
});

test("old mail is counted while it is read", () => {
  const progress = (more) => ["import_progress", { mailbox: "claims", folder: "INBOX", taken: 1204, todo: 8310, going_on: true, ...more }];
  assert.deepEqual(knows(progress()).progress().map((bar) => bar.words), ["claims: reading old mail: 1,204 of 8,310"]);
  assert.match(knows(progress({ folder: "Old" })).progress()[0].words, /old mail in Old: /);
  assert.deepEqual(knows(progress(), progress({ going_on: false })).progress(), []);
});

test("a new stream sends all bad states: a state that it does not send again has ended", () => {
  const health = knows(mailbox({ state: "failing", reason: "x" }), mailbox({ name: "orders", state: "failing", reason: "y" }),
    alone({ quarantine: { count: 3 } }));
  health.doubt();
  assert.equal(health.banners(NOW).length, 3);
  health.take({ event: "mailbox_status", data: mailbox({ name: "orders", state: "failing", reason: "y" })[1] });
  health.forgetDoubtful();
  assert.deepEqual(health.banners(NOW).map(({ name }) => name), ["orders"]);
  assert.equal(health.quarantined, 0);
});

test("other events and records without a name are ignored", () => {
  const health = new Health();
  for (const event of ["new_workitem", "store_status", "mailbox_status", "import_progress", "intake_status"]) {
    assert.equal(health.take({ event }), false);
  }
});

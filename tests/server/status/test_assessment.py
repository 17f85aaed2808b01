"""What one snapshot of the records of the workers means."""

from dataclasses import replace
from typing import Any

import pytest

from server.status.assessment import Observation, assess_intake
from server.status.health import IntakeHealth, MailboxHealth
from workitems.settings.mailbox import MailboxSettings
from workitems.status.snapshot import HealthSnapshot

NOW = 1_800_000_000.0


def settings(**more: Any) -> MailboxSettings:
    how = {"password": "x"} | more
    return MailboxSettings.model_validate({"host": "imap.example.com", "user": "claims@example.com"} | how)


def seen(record: dict[str, object] | None = None, **more: Any) -> HealthSnapshot:
    """Make a snapshot of a healthy mailbox, changed by *record* for its only folder and by *more*."""
    usual: dict[str, object] = {"state": "watching", "checked": NOW - 10}
    found = {name: str(value) for name, value in (usual | (record or {})).items() if value is not None}
    start = HealthSnapshot(
        taken_at=NOW, folders={("claims", "INBOX"): found}, leased_since={"claims": NOW - 500}, workers={"one": NOW - 4}
    )
    return replace(start, **more)


def assess(
    snapshot: HealthSnapshot, mailbox: MailboxSettings | None = None, watching: Observation | None = None
) -> IntakeHealth:
    mailboxes = {"claims": mailbox or settings()}
    return assess_intake(snapshot, mailboxes, (watching or Observation(NOW - 1_000)).updated_by(snapshot, mailboxes))


def claims(*arguments: Any, **more: Any) -> MailboxHealth:
    return assess(*arguments, **more).mailboxes[0]


def test_a_mailbox_that_was_just_checked_is_healthy_and_reports_nothing() -> None:
    found = claims(seen())
    assert (found.state, found.reason, found.advice, found.since, found.is_stale) == ("watching", "", "", None, False)
    assert found.is_healthy


@pytest.mark.parametrize("state", ["watching", "connecting", "paused", "failing", None, "a state of a newer version"])
def test_a_mailbox_without_a_completed_check_is_failing_whatever_its_state_says(state: str | None) -> None:
    assert claims(seen({"state": state, "checked": NOW - 181})).state == "failing"
    assert claims(seen({"state": state, "checked": NOW - 181})).is_stale
    assert not claims(seen({"state": state, "checked": NOW - 179})).is_stale


def test_the_limit_for_a_check_follows_the_poll_interval_and_is_90_seconds_at_least() -> None:
    often, rarely = settings(poll_seconds=5), settings(poll_seconds=600)
    assert claims(seen({"checked": NOW - 89}), often).state == "watching"
    assert claims(seen({"checked": NOW - 91}), often).state == "failing"
    assert claims(seen({"checked": NOW - 1_700}), rarely, watching=Observation(NOW - 9_000)).state == "watching"


def test_a_worker_that_has_just_started_has_time_for_a_check() -> None:
    """After a night without a worker the last check is old, but the new worker needs time for the next one."""
    old = {"state": "connecting", "checked": NOW - 40_000}
    assert claims(seen(old, leased_since={"claims": NOW - 20})).state == "connecting"
    assert claims(seen(old, leased_since={"claims": NOW - 200})).state == "failing"
    assert claims(seen(old), watching=Observation(NOW - 20)).state == "connecting"


def test_a_mailbox_that_was_never_checked_is_connecting_and_then_failing() -> None:
    never = {"state": None, "checked": None}
    assert claims(seen(never, leased_since={"claims": NOW - 20})).state == "connecting"
    found = claims(seen(never, leased_since={"claims": NOW - 200}))
    assert (found.state, found.checked) == ("failing", None)


def test_the_advice_for_a_sign_in_follows_its_kind() -> None:
    refused = seen({"state": "needs_sign_in", "error": "AUTHENTICATE failed", "since": NOW - 60, "checked": NOW - 999})
    found = claims(refused)
    assert (found.state, found.reason, found.since) == ("needs_sign_in", "AUTHENTICATE failed", NOW - 60)
    assert "user and password of mailboxes.claims" in found.advice
    oauth = settings(password=None, auth="microsoft", client_id="x", token_file="/tmp/token")
    assert claims(refused, oauth).advice == "An administrator runs: run.py authorize claims"
    own = settings(password=None, auth="microsoft", client_id="x", client_secret="y", tenant="contoso")
    assert "client_id, client_secret and tenant" in claims(refused, own).advice


def test_the_worst_folder_decides_the_state_of_the_mailbox() -> None:
    good = {"state": "watching", "checked": str(NOW - 3)}
    bad = {"state": "needs_sign_in", "checked": str(NOW - 30), "error": "no"}
    snapshot = seen(folders={("claims", "INBOX"): good, ("claims", "Old"): bad, ("claims", "Sent"): good})
    found = claims(snapshot, settings(folders=["INBOX", "Old"], sent_folder="Sent"))
    assert (found.state, found.checked, len(found.folders)) == ("needs_sign_in", NOW - 30, 3)


def test_without_any_worker_every_mailbox_is_unwatched() -> None:
    dead = seen(workers={"one": NOW - 21})
    assert assess(dead).has_no_worker
    assert assess(dead).workers == 0
    found = claims(dead)
    assert (found.state, found.reason, found.since) == ("unwatched", "no worker is running", NOW - 10)
    assert not assess(seen(workers={"one": NOW - 19})).has_no_worker


def test_the_restart_of_a_worker_is_not_reported() -> None:
    """It stops, so that its heartbeat and lease are gone, and is back some seconds later."""
    watching = Observation(NOW - 1_000, worker_heartbeat_at=NOW - 5, unleased_since={"claims": NOW - 5})
    between = seen(workers={}, leased_since={})
    assert not assess(between, watching=watching).has_no_worker
    assert claims(between, watching=watching).state == "watching"
    late = Observation(NOW - 1_000, worker_heartbeat_at=NOW - 25, unleased_since={"claims": NOW - 25})
    assert claims(between, watching=late).state == "unwatched"


def test_a_server_that_starts_before_its_workers_waits_for_them() -> None:
    no_worker = seen({"checked": NOW - 9_000}, workers={}, leased_since={})
    assert not assess(no_worker, watching=Observation(NOW - 19)).has_no_worker
    assert claims(no_worker, watching=Observation(NOW - 19)).state == "watching"
    assert assess(no_worker, watching=Observation(NOW - 21)).has_no_worker


def test_a_mailbox_without_a_lease_is_unwatched_though_workers_are_alive() -> None:
    found = claims(seen(leased_since={}), watching=Observation(NOW - 1_000, unleased_since={"claims": NOW - 21}))
    assert (found.state, found.reason) == ("unwatched", "no worker has taken this mailbox")
    assert found.is_unreported


def test_an_error_that_the_worker_reported_is_not_reported_twice() -> None:
    assert claims(seen({"checked": NOW - 999})).is_unreported
    assert not claims(seen({"state": "failing", "error": "refused", "checked": NOW - 999})).is_unreported
    assert not claims(seen()).is_unreported


def test_a_new_uidvalidity_is_reported_for_an_hour() -> None:
    found = claims(seen({"rebaselined": NOW - 3_500}))
    assert (found.rebaselined, found.is_healthy, found.state) == (NOW - 3_500, False, "watching")
    assert claims(seen({"rebaselined": NOW - 3_700})).is_healthy


def test_progress_is_the_running_one_and_an_import_before_a_backfill() -> None:
    folder = claims(seen({"todo": 8_310, "taken": 1_204})).folders[0]
    assert folder.progress is not None
    assert folder.progress.to_json() == {"folder": "INBOX", "taken": 1_204, "todo": 8_310}
    both = claims(seen({"todo": 10, "taken": 10, "import_todo": 5, "import_taken": 2})).folders[0].progress
    assert both is not None
    assert (both.taken, both.todo) == (2, 5)
    assert claims(seen()).folders[0].progress is None


def test_invalid_values_in_records_are_ignored() -> None:
    names = ("unfetched", "given_up", "baselines", "todo", "taken", "rebaselined", "since")
    junk: dict[str, object] = dict.fromkeys(names, "?")
    found = claims(seen(junk | {"since": "2026-03-01"})).folders[0]
    assert (found.unfetched, found.given_up, found.baselines, found.progress) == (0, 0, 0, None)
    assert claims(seen({"unfetched": '{"7":1,"9":2}', "given_up": 3})).folders[0].unfetched == 2
    assert claims(seen({"checked": "-1e14", "rebaselined": "9e14"})).state == "failing"


def test_the_json_form_is_plain_and_its_times_are_utc() -> None:
    waiting = {"waiting_mails": 2, "waiting_since": NOW, "quarantined": 3, "quarantined_since": NOW - 60}
    found = assess(seen({"todo": 9, "taken": 4}, **waiting)).to_json()
    (mailbox,) = found["mailboxes"]
    assert (mailbox["name"], mailbox["checked"], mailbox["age"]) == ("claims", "2027-01-15T07:59:50Z", 10.0)
    assert mailbox["progress"] == [{"folder": "INBOX", "taken": 4, "todo": 9}]
    assert found["intake"]["quarantine"] == {"count": 3, "since": "2027-01-15T07:59:00Z"}
    assert (found["intake"]["workers"], found["intake"]["no_worker"], found["intake"]["waiting"]) == (1, False, 2)


def test_rules_that_are_not_used_are_reported_once_for_all_live_workers_with_the_same_error() -> None:
    workers = dict.fromkeys("abcde", NOW - 4) | {"dead": NOW - 100}
    errors = dict.fromkeys("abcd", "fields.x: wrong.") | {"e": "another", "dead": "old"}
    found = assess(seen(workers=workers, rules_errors=errors)).rules
    assert [finding.message for finding in found] == [
        "those in the settings file are not used by a, b, c and 1 more: fields.x: wrong",
        "those in the settings file are not used by e: another",
    ]
    assert assess(seen()).rules == ()

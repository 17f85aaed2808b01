"""What one look at the workers' records means."""

from dataclasses import replace
from typing import Any

import pytest

from server.mailboxes import MailboxHealth, Watching
from server.overview import Overview, overview
from workitems.health import Sighting
from workitems.settings.mailbox import MailboxSettings

NOW = 1_800_000_000.0


def settings(**more: Any) -> MailboxSettings:
    how = {"password": "x"} | more
    return MailboxSettings.model_validate({"host": "imap.example.com", "user": "claims@example.com"} | how)


def seen(record: dict[str, object] | None = None, **more: Any) -> Sighting:
    """A mailbox that is well, but for *record* in its only folder and what is said of the rest."""
    usual: dict[str, object] = {"state": "watching", "checked": NOW - 10}
    found = {name: str(value) for name, value in (usual | (record or {})).items() if value is not None}
    start = Sighting(at=NOW, folders={("claims", "INBOX"): found}, held={"claims": NOW - 500}, workers={"one": NOW - 4})
    return replace(start, **more)


def judged(sighting: Sighting, mailbox: MailboxSettings | None = None, watching: Watching | None = None) -> Overview:
    mailboxes = {"claims": mailbox or settings()}
    return overview(sighting, mailboxes, (watching or Watching(NOW - 1_000)).on(sighting, mailboxes))


def claims(*arguments: Any, **more: Any) -> MailboxHealth:
    return judged(*arguments, **more).mailboxes[0]


def test_a_mailbox_that_was_just_checked_is_well_and_says_nothing() -> None:
    found = claims(seen())
    assert (found.state, found.reason, found.advice, found.since, found.stale) == ("watching", "", "", None, False)
    assert found.well


@pytest.mark.parametrize("told", ["watching", "connecting", "paused", "failing", None, "a state of tomorrow"])
def test_a_mailbox_without_a_completed_check_is_failing_whatever_its_state_says(told: str | None) -> None:
    assert claims(seen({"state": told, "checked": NOW - 181})).state == "failing"
    assert claims(seen({"state": told, "checked": NOW - 181})).stale
    assert not claims(seen({"state": told, "checked": NOW - 179})).stale


def test_how_long_a_check_may_take_follows_the_poll_but_is_never_below_a_minute_and_a_half() -> None:
    often, seldom = settings(poll=5), settings(poll=600)
    assert claims(seen({"checked": NOW - 89}), often).state == "watching"
    assert claims(seen({"checked": NOW - 91}), often).state == "failing"
    assert claims(seen({"checked": NOW - 1_700}), seldom, watching=Watching(NOW - 9_000)).state == "watching"


def test_a_worker_that_has_just_begun_is_given_the_time_for_a_check() -> None:
    """After a night without anybody the last check is old, and that is nobody's fault any more."""
    old = {"state": "connecting", "checked": NOW - 40_000}
    assert claims(seen(old, held={"claims": NOW - 20})).state == "connecting"
    assert claims(seen(old, held={"claims": NOW - 200})).state == "failing"
    assert claims(seen(old), watching=Watching(NOW - 20)).state == "connecting"


def test_a_mailbox_that_was_never_checked_is_connecting_and_then_failing() -> None:
    never = {"state": None, "checked": None}
    assert claims(seen(never, held={"claims": NOW - 20})).state == "connecting"
    found = claims(seen(never, held={"claims": NOW - 200}))
    assert (found.state, found.checked) == ("failing", None)


def test_who_must_sign_in_is_told_how_by_the_kind_of_its_sign_in() -> None:
    refused = seen({"state": "needs_sign_in", "error": "AUTHENTICATE failed", "since": NOW - 60, "checked": NOW - 999})
    found = claims(refused)
    assert (found.state, found.reason, found.since) == ("needs_sign_in", "AUTHENTICATE failed", NOW - 60)
    assert "user and password of mailboxes.claims" in found.advice
    oauth = settings(password=None, auth="microsoft", client_id="x", token_file="/tmp/token")
    assert claims(refused, oauth).advice == "An administrator runs: run.py authorize claims"
    own = settings(password=None, auth="microsoft", client_id="x", client_secret="y", tenant="contoso")
    assert "client_id, client_secret and tenant" in claims(refused, own).advice


def test_the_worst_folder_speaks_for_the_mailbox() -> None:
    good = {"state": "watching", "checked": str(NOW - 3)}
    bad = {"state": "needs_sign_in", "checked": str(NOW - 30), "error": "no"}
    sighting = seen(folders={("claims", "INBOX"): good, ("claims", "Old"): bad, ("claims", "Sent"): good})
    found = claims(sighting, settings(folder=["INBOX", "Old"], sent="Sent"))
    assert (found.state, found.checked, len(found.folders)) == ("needs_sign_in", NOW - 30, 3)


def test_without_any_worker_every_mailbox_is_unwatched() -> None:
    dead = seen(workers={"one": NOW - 21})
    assert judged(dead).alone
    assert judged(dead).workers == 0
    found = claims(dead)
    assert (found.state, found.reason, found.since) == ("unwatched", "no worker is running", NOW - 10)
    assert not judged(seen(workers={"one": NOW - 19})).alone


def test_a_worker_that_starts_anew_is_no_news() -> None:
    """It leaves, so that its report and lease are gone, and is back some seconds later."""
    watching = Watching(NOW - 1_000, heard=NOW - 5, unheld={"claims": NOW - 5})
    between = seen(workers={}, held={})
    assert not judged(between, watching=watching).alone
    assert claims(between, watching=watching).state == "watching"
    late = Watching(NOW - 1_000, heard=NOW - 25, unheld={"claims": NOW - 25})
    assert claims(between, watching=late).state == "unwatched"


def test_a_server_that_starts_before_its_workers_waits_for_them() -> None:
    nobody = seen({"checked": NOW - 9_000}, workers={}, held={})
    assert not judged(nobody, watching=Watching(NOW - 19)).alone
    assert claims(nobody, watching=Watching(NOW - 19)).state == "watching"
    assert judged(nobody, watching=Watching(NOW - 21)).alone


def test_a_mailbox_that_no_worker_takes_is_unwatched_though_workers_are_alive() -> None:
    found = claims(seen(held={}), watching=Watching(NOW - 1_000, unheld={"claims": NOW - 21}))
    assert (found.state, found.reason) == ("unwatched", "no worker has taken this mailbox")
    assert found.unnoticed


def test_trouble_that_its_worker_told_of_is_not_told_twice() -> None:
    assert claims(seen({"checked": NOW - 999})).unnoticed
    assert not claims(seen({"state": "failing", "error": "refused", "checked": NOW - 999})).unnoticed
    assert not claims(seen()).unnoticed


def test_a_mailbox_that_was_numbered_anew_is_news_for_an_hour() -> None:
    found = claims(seen({"rebaselined": NOW - 3_500}))
    assert (found.rebaselined, found.well, found.state) == (NOW - 3_500, False, "watching")
    assert claims(seen({"rebaselined": NOW - 3_700})).well


def test_progress_is_what_goes_on_and_an_import_before_a_first_sync() -> None:
    folder = claims(seen({"todo": 8_310, "taken": 1_204})).folders[0]
    assert folder.progress is not None
    assert folder.progress.told() == {"folder": "INBOX", "taken": 1_204, "todo": 8_310}
    both = claims(seen({"todo": 10, "taken": 10, "import_todo": 5, "import_taken": 2})).folders[0].progress
    assert both is not None
    assert (both.taken, both.todo) == (2, 5)
    assert claims(seen()).folders[0].progress is None


def test_records_that_are_not_understood_count_as_nothing() -> None:
    names = ("owed", "given_up", "baselines", "todo", "taken", "rebaselined", "since")
    junk: dict[str, object] = dict.fromkeys(names, "?")
    found = claims(seen(junk | {"since": "2026-03-01"})).folders[0]
    assert (found.owed, found.given_up, found.baselines, found.progress) == (0, 0, 0, None)
    assert claims(seen({"owed": '{"7":1,"9":2}', "given_up": 3})).folders[0].owed == 2
    assert claims(seen({"checked": "-1e14", "rebaselined": "9e14"})).state == "failing"


def test_what_is_told_is_all_plain_and_its_times_are_utc() -> None:
    waiting = {"waiting": 2, "waiting_since": NOW, "quarantined": 3, "quarantined_since": NOW - 60}
    told = judged(seen({"todo": 9, "taken": 4}, **waiting)).told()
    (mailbox,) = told["mailboxes"]
    assert (mailbox["name"], mailbox["checked"], mailbox["age"]) == ("claims", "2027-01-15T07:59:50Z", 10.0)
    assert mailbox["progress"] == [{"folder": "INBOX", "taken": 4, "todo": 9}]
    assert told["intake"]["quarantine"] == {"count": 3, "since": "2027-01-15T07:59:00Z"}
    assert (told["intake"]["workers"], told["intake"]["alone"], told["intake"]["waiting"]) == (1, False, 2)

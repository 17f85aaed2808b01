"""What is published of a mail, from what the children found: exact keys, the best version, equal bytes each time."""

from typing import Any

from worker.machine import HEADERS_ONLY, Version, bare, publication
from worker.readings import first_limit
from worker.sandbox.process import Result
from workitems.event import dumps
from workitems.identity import fingerprint, message_key
from workitems.item import MACHINE
from workitems.sidecar import Sidecar, Stored

FOUND: dict[str, Any] = {
    "subject": "Policy", "from_email": "ann@example.com", "from_name": "Ann", "to": ["desk@example.com"], "cc": [],
    "date": None, "message_id": "<1@x>", "references": ["<0@x>", "<00@x>"], "kind": "human", "flags": [],
    "reason": None, "text": "short", "html": "", "preview": "short", "fields": {"policy_number": "AB-1"},
    "evidence": {"policy_number": {"raw": "AB-1"}},
    "attachments": [
        {"n": 1, "name": "a.pdf", "type": "application/pdf", "size": 3, "inline": False, "content_id": None},
        {"n": 2, "name": "logo.png", "type": "image/png", "size": 4, "inline": True, "content_id": "logo"},
    ],
}  # fmt: skip


def _version(
    raw: bytes = b"raw", *, size: int | None = None, oversized: bool = False, own: bool = False, **found: Any
) -> Version:
    sidecar = Sidecar(
        "wi_" + "a" * 26, "desk", fingerprint(raw), "2026-03-02T10:00:00Z", "imap",
        len(raw) if size is None else size, oversized=oversized, own=own,
    )  # fmt: skip
    return Version(Stored(sidecar, raw), Result(FOUND | found, [b"pdf", b"logo"]))


def test_the_machine_part_has_exactly_the_agreed_keys_and_the_time_of_arrival() -> None:
    machine = publication([_version()], ["r"]).machine
    assert set(machine) == {*MACHINE, "schema"}
    assert machine["created_at"] == "2026-03-02T10:00:00Z"
    assert machine["extracted_fields"] == {"policy_number": "AB-1"}


def test_pictures_inside_the_text_are_no_files_in_the_list_but_stand_in_the_stored_reading() -> None:
    found = publication([_version()], ["r"])
    assert found.machine["attachments"] == [{"n": 1, "name": "a.pdf", "type": "application/pdf", "size": 3}]
    assert [part["inline"] for part in found.reading["attachments"]] == [False, True]
    assert found.attachments == [b"pdf", b"logo"]


def test_message_ids_become_keys_with_the_nearest_parent_first() -> None:
    found = publication([_version()], ["r"])
    assert found.message_id == found.reading["message_key"] == message_key("<1@x>")
    assert found.references == (message_key("<0@x>"), message_key("<00@x>"))


def test_the_version_with_the_longest_text_counts_and_the_item_says_that_there_are_others() -> None:
    found = publication([_version(b"1", text=""), _version(b"22", text="long", subject="Best")], ["a", "b"])
    assert found.machine["subject"] == "Best"
    assert found.machine["flags"] == ["variant"]
    assert found.raws == ("a", "b")


def test_a_mail_that_first_came_by_its_headers_is_no_variant_once_it_is_whole() -> None:
    found = publication([_version(b"head", size=99, text=""), _version(b"whole")], ["a", "b"])
    assert found.machine["flags"] == []


def test_a_mail_of_which_the_server_gave_the_headers_alone_is_for_review() -> None:
    machine = publication([_version(b"head", size=99, text="", flags=["needs_review", "oversized"])], ["a"]).machine
    assert machine["flags"] == ["needs_review"]
    assert machine["reason"] == HEADERS_ONLY


def test_an_oversized_mail_says_so() -> None:
    machine = publication(
        [_version(b"head", size=99, oversized=True, flags=["needs_review", "oversized"])], ["a"]
    ).machine
    assert machine["flags"] == ["needs_review", "oversized"]


def test_a_reading_that_failed_says_why() -> None:
    machine = publication([_version(flags=["needs_review", "oversized"])], ["a"], reason="it took too long").machine
    assert machine["flags"] == ["needs_review"]
    assert machine["reason"] == "it took too long"


def test_the_same_findings_give_equal_bytes() -> None:
    assert dumps(publication([_version()], ["r"]).machine) == dumps(publication([_version()], ["r"]).machine)


def test_the_scanner_s_view_of_a_mail_can_be_published_whatever_its_bytes_are() -> None:
    raw = b"From: \xff\xfe <x@y>\r\nSubject: \xe9t\xe9\r\nMessage-ID: <1>\r\n\r\nbody"
    machine = publication([Version(_version(raw).stored, bare(raw))], ["a"], reason="why").machine
    assert machine["subject"] == "été"
    assert machine["from_name"] == "ÿþ <x@y>"
    dumps(machine)


def test_a_first_reading_has_little_time_and_a_large_mail_some_more() -> None:
    assert first_limit(4_000) < 0.8
    assert 10 < first_limit(50_000_000) < 11


def test_what_the_team_sent_is_its_own_and_done_whichever_copy_came_first_and_no_variant_of_itself() -> None:
    filed, arrived = _version(b"1", own=True), _version(b"22")
    for versions in ([filed, arrived], [arrived, filed], [filed]):
        found = publication(versions, ["a", "b"])
        assert (found.machine["kind"], found.status, found.machine["flags"]) == ("own", "done", [])
    assert publication([filed, arrived, _version(b"333")], ["a", "b", "c"]).machine["flags"] == ["variant"]

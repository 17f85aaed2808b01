"""Publications from results of the children: exact keys, the best version, and the same bytes each time."""

from dataclasses import replace
from typing import Any

from worker.publishing.publication import (
    HEADERS_ONLY,
    ReadVersion,
    ReceivingMailbox,
    build_publication,
    scan_result,
)
from worker.sandbox.process import ReadingResult
from workitems.base.json_codec import encode_json_str
from workitems.intake.identity import fingerprint, message_key
from workitems.mailstore.sidecar import RawMail, Sidecar
from workitems.queue.item import MACHINE_DEFAULTS

FOUND: dict[str, Any] = {
    "subject": "Policy", "from_email": "ann@example.com", "from_name": "Ann",
    "reply_to": ["ann@home.example"], "delivered_to": [],
    "to": ["desk@example.com"], "cc": [], "bcc": [],
    "date": None, "message_id": "<1@x>", "references": ["<0@x>", "<00@x>"], "kind": "human",
    "kind_reason": "no sign", "is_automatic": False, "has_one_sender": True, "flags": [],
    "authentication": [
        {"server": "mx.example.com", "results": {"spf": "pass"}},
        {"server": "mx.evil.example", "results": {"spf": "fail"}},
    ],
    "bounce": None, "invitation": None,
    "reason": None, "text": "short", "regions": [{"kind": "new", "start": 0, "end": 5}], "forwarded": None, "html": "",
    "preview": "short", "fields": {"policy_number": "AB-1"},
    "evidence": {"policy_number": {"raw": "AB-1"}}, "missing": [], "due_field": None,
    "attachments": [
        {"n": 1, "name": "a.pdf", "type": "application/pdf", "size": 3, "inline": False, "content_id": None},
        {"n": 2, "name": "logo.png", "type": "image/png", "size": 4, "inline": True, "content_id": "logo"},
    ],
}  # fmt: skip


def _version(
    raw: bytes = b"raw", *, size: int | None = None, oversized: bool = False, own: bool = False, **found: Any
) -> ReadVersion:
    sidecar = Sidecar(
        "wi_" + "a" * 26, "desk", fingerprint(raw), "2026-03-02T10:00:00Z", "imap",
        len(raw) if size is None else size, oversized=oversized, own=own,
    )  # fmt: skip
    return ReadVersion(RawMail(sidecar, raw), ReadingResult(FOUND | found, [b"pdf", b"logo"]))


def test_the_machine_part_has_exactly_the_agreed_keys_and_the_time_of_arrival() -> None:
    machine = build_publication([_version()], ["r"]).machine_part
    assert set(machine) == {*MACHINE_DEFAULTS, "schema"}
    assert machine["created_at"] == "2026-03-02T10:00:00Z"
    assert machine["extracted_fields"] == {"policy_number": "AB-1"}


def test_only_the_results_of_the_server_that_the_mailbox_names_are_believed() -> None:
    def results(server: str | None, *, source: str = "imap") -> object:
        version = _version()
        stored = RawMail(replace(version.stored.sidecar, source=source), version.stored.raw)
        found = build_publication([ReadVersion(stored, version.result)], ["r"], mailbox=ReceivingMailbox(server))
        assert found.machine_part["authentication"] == found.reading["authentication"]
        return found.machine_part["authentication"]

    assert results("MX.example.com") == {"spf": "pass"}
    assert results("other.example") is None
    assert results(None) is None
    # A program that posts mail can write any field.
    assert results("mx.example.com", source="http") is None


def test_the_item_says_where_answers_go() -> None:
    assert build_publication([_version()], ["r"]).machine_part["reply_to"] == ["ann@home.example"]


def test_inline_images_are_in_the_stored_reading_but_not_in_the_list_of_files() -> None:
    found = build_publication([_version()], ["r"])
    assert found.machine_part["attachments"] == [{"n": 1, "name": "a.pdf", "type": "application/pdf", "size": 3}]
    assert [part["inline"] for part in found.reading["attachments"]] == [False, True]
    assert found.attachments == [b"pdf", b"logo"]


def test_message_ids_become_keys_with_the_nearest_parent_first() -> None:
    found = build_publication([_version()], ["r"])
    assert found.message_id == found.reading["message_key"] == message_key("<1@x>")
    assert found.references == (message_key("<0@x>"), message_key("<00@x>"))


def test_the_version_with_the_longest_text_is_used_and_a_flag_shows_that_there_are_others() -> None:
    found = build_publication([_version(b"1", text=""), _version(b"22", text="long", subject="Best")], ["a", "b"])
    assert found.machine_part["subject"] == "Best"
    assert found.machine_part["flags"] == ["variant"]
    assert found.fingerprints == ("a", "b")


def test_a_mail_whose_headers_came_first_is_no_variant_once_it_is_complete() -> None:
    found = build_publication([_version(b"head", size=99, text=""), _version(b"whole")], ["a", "b"])
    assert found.machine_part["flags"] == []


def test_a_mail_of_which_the_server_gave_only_the_headers_needs_review() -> None:
    machine = build_publication(
        [_version(b"head", size=99, text="", flags=["needs_review", "oversized"])], ["a"]
    ).machine_part
    assert machine["flags"] == ["needs_review"]
    assert machine["reason"] == HEADERS_ONLY


def test_an_oversized_mail_has_a_flag() -> None:
    machine = build_publication(
        [_version(b"head", size=99, oversized=True, flags=["needs_review", "oversized"])], ["a"]
    ).machine_part
    assert machine["flags"] == ["needs_review", "oversized"]


def test_a_failed_reading_has_its_reason() -> None:
    machine = build_publication(
        [_version(flags=["needs_review", "oversized"])], ["a"], reason="it took too long"
    ).machine_part
    assert machine["flags"] == ["needs_review"]
    assert machine["reason"] == "it took too long"


def test_equal_results_give_equal_bytes() -> None:
    assert encode_json_str(build_publication([_version()], ["r"]).machine_part) == encode_json_str(
        build_publication([_version()], ["r"]).machine_part
    )


def test_scanned_headers_with_any_bytes_can_be_published() -> None:
    raw = b"From: \xff\xfe <x@y>\r\nSubject: \xe9t\xe9\r\nMessage-ID: <1>\r\n\r\nbody"
    machine = build_publication([ReadVersion(_version(raw).stored, scan_result(raw))], ["a"], reason="why").machine_part
    assert machine["subject"] == "été"
    assert machine["from_name"] == "ÿþ <x@y>"
    encode_json_str(machine)


def test_own_mail_is_done_whichever_copy_came_first_and_its_copies_are_no_variants() -> None:
    filed, arrived = _version(b"1", own=True), _version(b"22")
    for versions in ([filed, arrived], [arrived, filed], [filed]):
        found = build_publication(versions, ["a", "b"])
        assert (found.machine_part["kind"], found.status, found.machine_part["flags"]) == ("own", "done", [])
        assert (found.reading["kind"], found.reading["kind_reason"]) == ("own", "in the sent folder")
    assert build_publication([filed, arrived, _version(b"333")], ["a", "b", "c"]).machine_part["flags"] == ["variant"]


def test_no_mail_of_others_is_shown_as_the_teams_own() -> None:
    filed = _version(b"1", own=True, text="short", to=["bob@b.example"])
    forged = _version(b"22", text="Please pay to another account", to=["eve@e.example"], preview="Please pay")
    for versions in ([filed, forged], [forged, filed]):
        found = build_publication(versions, ["a", "b"])
        assert (found.reading["text"], found.machine_part["preview"]) == ("short", "short")
        assert found.participants.people == "bob@b.example,@b.example"


def test_a_sender_whom_mail_servers_may_read_in_another_way_proves_nothing() -> None:
    assert build_publication([_version()], ["r"]).participants.proof
    assert not build_publication([_version(has_one_sender=False)], ["r"]).participants.proof


def test_the_sender_proves_where_a_mail_belongs_unless_the_mail_server_calls_it_forged() -> None:
    mailbox = ReceivingMailbox("mx.example.com", ("desk@example.org",))

    def proof(dmarc: str) -> str:
        fields = [{"server": "mx.example.com", "results": {"dmarc": dmarc}}]
        version = _version(authentication=fields, to=["desk@example.org", "bob@b.example"])
        return build_publication([version], ["r"], mailbox=mailbox).participants.proof

    assert proof("pass") == "ann@example.com,@example.com"
    assert proof("fail") == ""


def test_it_says_whether_the_mail_itself_says_that_no_person_wrote_it() -> None:
    assert build_publication([_version(is_automatic=True, kind="list")], ["r"]).is_automatic
    assert not build_publication([_version(kind="list")], ["r"]).is_automatic

"""An item is read back unchanged, and its list view fits into an event whatever its mail contained."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.workitems.samples import IDS, machine
from workitems.base.errors import DecodeError
from workitems.base.json_codec import encode_json_str
from workitems.base.statuses import STATUSES
from workitems.queue.item import VIEW_LIMIT, Item, effective_fields, new_person, view_head

RECORD = {
    b"machine": encode_json_str(machine(extracted_fields={"n": 2**53 + 1})).encode(),
    b"person": encode_json_str(new_person()).encode(),
    b"mailbox": b"claims",
    b"status": b"new",
    b"assignee": b"",
    b"version": b"1",
    b"reading": b"2",
    b"submission": b"sub_a",
    b"reference": b"SUB-2026-000001",
    b"score": b"1856000000000001",
}

#: The most that the publish step adds to a list view: the longest possible name, of characters with the longest form.
LONGEST_TAIL = {
    "submission_id": "sub_" + "a" * 26,
    "submission_ref": "SUB-2026-" + "9" * 12,
    "status": max(STATUSES, key=len),
    "assignee": "😀" * 64,
    "version": 2**31,
    "seq": 2**53,
}


def size_of_event(head: dict[str, Any]) -> int:
    return len(encode_json_str(head | LONGEST_TAIL).encode())


def test_a_record_is_read_back_unchanged() -> None:
    item = Item.decode(IDS[0], RECORD)
    assert item.machine["extracted_fields"]["n"] == 2**53 + 1
    assert (item.version, item.reading_number, item.assignee, item.score) == (1, 2, None, 1856000000000001)
    assert item.view()["submission_ref"] == "SUB-2026-000001"
    assert item.view()["subject"] == "Claim for a broken window"


def test_a_record_of_a_newer_program_is_read_as_far_as_it_is_known() -> None:
    newer = RECORD | {b"colour": b"blue", b"machine": encode_json_str(machine(schema=99, colour="blue")).encode()}
    assert "colour" not in Item.decode(IDS[0], newer).view()


@pytest.mark.parametrize("field", RECORD)
def test_a_broken_record_is_a_decode_error(field: bytes) -> None:
    without = {name: value for name, value in RECORD.items() if name != field}
    with pytest.raises(DecodeError, match=IDS[0]):
        Item.decode(IDS[0], without)
    with pytest.raises(DecodeError):
        Item.decode(IDS[0], RECORD | {field: b"\xff"})


def test_a_broken_machine_part_is_a_decode_error() -> None:
    for broken in (b"[]", b"7", b"{", b"null"):
        with pytest.raises(DecodeError):
            Item.decode(IDS[0], RECORD | {b"machine": broken})


@pytest.mark.parametrize("depth", [40, 900, 990, 5_000])
def test_a_record_too_deep_to_be_written_again_is_a_decode_error(depth: int) -> None:
    deep = b'{"extracted_fields":{"x":' + b"[" * depth + b"]" * depth + b"}}"
    with pytest.raises(DecodeError, match="wi_a cannot be decoded"):
        Item.decode("wi_a", RECORD | {b"machine": deep})


def test_a_correction_replaces_a_field_and_null_removes_it() -> None:
    read = machine(extracted_fields={"a": "1", "b": "2", "c": "3"})
    assert effective_fields(read, {"corrections": {"b": "two", "c": None, "d": []}}) == {"a": "1", "b": "two", "d": []}
    assert effective_fields({}, {}) == {}


def test_a_list_view_that_fits_is_complete() -> None:
    head = view_head(IDS[0], "claims", machine(preview="Hello"), new_person())
    assert head["flags"] == []
    assert head["preview"] == "Hello"


def test_a_list_view_loses_the_least_important_parts_first() -> None:
    read = machine(
        preview="p" * 3_000,
        to=[f"{n:03}@example.com" for n in range(100)],
        attachments=[{"n": n, "name": "x" * 100} for n in range(1, 40)],
        extracted_fields={"short": "1", "long": "y" * 3_000},
    )
    head = view_head(IDS[0], "claims", read, new_person())
    assert head["flags"] == ["shortened"]
    assert head["preview"] == ""
    assert len(head["attachments"]) == 5
    assert head["extracted_fields"] == read["extracted_fields"]
    assert head["subject"] == read["subject"]


def test_the_longest_fields_are_removed_before_the_short_ones() -> None:
    fields = {f"f{n}": "x" * 100 * n for n in range(1, 20)}
    head = view_head(IDS[0], "claims", machine(extracted_fields=fields), new_person())
    kept = head["extracted_fields"]
    assert kept == {f"f{n}": fields[f"f{n}"] for n in range(1, len(kept) + 1)}
    assert len(kept) > 8
    assert size_of_event(head) <= VIEW_LIMIT


def test_each_of_the_most_corrections_accepted_is_measured_once() -> None:
    person = new_person() | {"corrections": {f"f{n}": "x" * 3_900 for n in range(200)}}
    head = view_head(IDS[0], "claims", machine(), person)
    assert len(head["extracted_fields"]) == 1
    assert size_of_event(head) <= VIEW_LIMIT


longs = st.text(st.characters(codec="utf-8"), max_size=40).flatmap(
    lambda text: st.sampled_from([text, text * 20, text * 2_000])
)
anything = st.recursive(
    longs | st.integers() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(longs, inner, max_size=4),
    max_leaves=6,
)
machines = st.fixed_dictionaries(
    {},
    optional={
        "subject": longs,
        "from_email": longs,
        "from_name": longs,
        "to": st.lists(longs, max_size=8),
        "created_at": longs,
        "kind": longs,
        "flags": st.lists(longs, max_size=40),
        "reason": longs | st.none(),
        "preview": longs,
        "extracted_fields": st.dictionaries(longs, anything, max_size=8),
        "attachments": st.lists(anything, max_size=8),
        "test": st.booleans(),
    },
)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=60)
@given(machines, st.dictionaries(longs, anything, max_size=3))
def test_the_list_view_of_any_machine_part_fits_into_an_event(
    parts: dict[str, Any], corrections: dict[str, Any]
) -> None:
    read = machine() | parts
    whole = view_head(IDS[0], "m" * 64, read, new_person() | {"corrections": corrections})
    assert size_of_event(whole) <= VIEW_LIMIT
    assert set(whole) >= {"id", "mailbox", "subject", "flags", "extracted_fields"}
    full = json.loads(encode_json_str(machine() | parts))
    if whole["preview"] != read["preview"] or whole["attachments"] != read["attachments"]:
        assert "shortened" in whole["flags"]
    assert json.loads(encode_json_str(read)) == full  # the arguments are not changed

"""One work item in full, and changes by people."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from server.context import Context
from tests.server.handlers.conftest import Call, body, error
from workitems.intake.identity import message_key
from workitems.intake.origin import MailOrigin

READING = {
    "subject": "A claim",
    "to": ["desk@example.com"],
    "cc": ["copy@example.com"],
    "date": "2026-01-02T03:04:05+01:00",
    "text": "Policy Number: AB-12345\n",
    "regions": [{"kind": "new", "start": 0, "end": 24}],
    "forwarded": None,
    "html": "",
    "fields": {"policy_number": "AB-12345", "note": "x"},
    "evidence": {"policy_number": {"raw": "AB-12345", "source": "text", "start": 15, "end": 23}},
    "missing": [{"name": "due_date", "why": "absent", "readings": []}],
    "due_field": "due_date",
    "attachments": [{"n": 1, "name": "a.pdf", "type": "application/pdf", "size": 3, "inline": False}],
}


async def test_the_whole_item_has_text_evidence_and_history(call: Call, publish: Any) -> None:
    item_id = await publish(reading=READING, extracted_fields={"policy_number": "AB-12345"})
    response = await call("GET", f"/api/workitems/{item_id}")
    item = body(response)
    assert response.code == 200
    assert response.headers["ETag"] == '"1"'
    assert (item["text"], item["evidence"], item["cc"]) == (READING["text"], READING["evidence"], READING["cc"])
    assert item["extracted_fields"] == READING["fields"]
    assert (item["missing"], item["due"]) == (READING["missing"], None)
    assert item["attachments"] == READING["attachments"]
    assert (item["regions"], item["forwarded"]) == (READING["regions"], None)
    assert item["has_html"] is False
    assert [(step["who"], step["field"]) for step in item["history"]] == [("tubepost", "created")]
    assert item["also_in"] == []


async def test_a_field_that_a_person_sets_is_no_longer_missing(call: Call, publish: Any) -> None:
    item_id = await publish(reading=READING, extracted_fields={})
    await call("PATCH", f"/api/workitems/{item_id}", json={"fields": {"due_date": "2026-05-05"}})
    item = body(await call("GET", f"/api/workitems/{item_id}"))
    assert (item["missing"], item["due"]) == ([], "2026-05-05")


async def test_an_item_without_a_mail_is_complete_too(call: Call, publish: Any) -> None:
    item = body(await call("GET", f"/api/workitems/{await publish(extracted_fields={'a': 1})}"))
    assert (item["text"], item["evidence"], item["extracted_fields"]) == ("", {}, {"a": 1})
    assert (item["missing"], item["due"]) == ([], None)


async def test_the_full_item_has_what_the_list_view_leaves_out(call: Call, publish: Any) -> None:
    long = {f"field{n}": "x" * 900 for n in range(20)}
    item_id = await publish(reading=READING | {"fields": long}, extracted_fields=long)
    listed = body(await call("GET", "/api/workitems"))["items"][0]
    whole = body(await call("GET", f"/api/workitems/{item_id}"))
    assert "shortened" in listed["flags"]
    assert whole["extracted_fields"] == long
    assert "shortened" not in whole["flags"]


async def test_the_same_mail_in_another_mailbox_is_named(call: Call, publish: Any, context: Context) -> None:
    key = message_key("<m@example.com>")
    ids = []
    for mailbox in ("claims", "orders"):
        item_id = await publish(mailbox=mailbox, reading=READING | {"message_key": key})
        await context.redis.hset("{tubepost}:messageid:" + key, "items", ",".join([*ids, item_id]))
        ids.append(item_id)
    assert body(await call("GET", f"/api/workitems/{ids[0]}"))["also_in"] == [ids[1]]


async def test_an_item_whose_mail_waits_is_pending_and_an_unknown_one_gets_404(call: Call, context: Context) -> None:
    origin = MailOrigin(mailbox="claims", arrived=datetime.now(UTC), source="imap", size=12)
    receipt = await context.intake.put(b"Subject: x\r\n\r\n", origin)
    response = await call("GET", f"/api/workitems/{receipt.id}")
    assert (response.code, body(response)) == (202, {"status": "pending"})
    assert error(await call("GET", "/api/workitems/wi_" + "a" * 26)) == (404, "not_found", None)


async def test_a_change_is_made_in_the_name_of_the_caller(call: Call, publish: Any, context: Context) -> None:
    item_id = await publish(extracted_fields={"a": 1, "b": 2})
    asked = {"status": "in_progress", "assignee": "ada", "fields": {"a": "2", "b": None}, "version": 1}
    response = await call("PATCH", f"/api/workitems/{item_id}", json=asked)
    assert response.code == 200
    assert response.headers["ETag"] == '"2"'
    item = body(response)
    assert (item["status"], item["assignee"], item["version"]) == ("in_progress", "ada", 2)
    assert item["extracted_fields"] == {"a": "2"}
    whole = body(await call("GET", f"/api/workitems/{item_id}"))
    assert {(step["who"], step["field"]) for step in whole["history"][1:]} == {
        ("demo", "status"), ("demo", "assignee"), ("demo", "fields.a"), ("demo", "fields.b"),
    }  # fmt: skip
    assert whole["corrections"] == {"a": "2", "b": None}


async def test_a_key_makes_changes_in_its_own_name_which_no_person_can_have(
    call: Call, publish: Any, context: Context
) -> None:
    item_id = await publish()
    key = await context.auth.accounts.add_key("robot", ["write", "read"])
    assert (await call("PATCH", f"/api/workitems/{item_id}", token=key, json={"status": "done"})).code == 200
    assert (await context.store.history(item_id))[-1]["who"] == "key:robot"


@pytest.mark.parametrize("how", ["header", "weak", "body"])
async def test_the_second_of_two_changes_gets_the_current_item(call: Call, publish: Any, how: str) -> None:
    path = f"/api/workitems/{await publish()}"

    async def claim(name: str) -> Any:
        headers = {"header": {"If-Match": '"1"'}, "weak": {"If-Match": 'W/"1"'}, "body": {}}[how]
        asked = {"assignee": name} | ({"version": 1} if how == "body" else {})
        return await call("PATCH", path, json=asked, headers=headers)

    answers = await asyncio.gather(claim("ada"), claim("bob"))
    assert sorted(answer.code for answer in answers) == [200, 409]
    winner, loser = sorted(answers, key=lambda answer: answer.code)
    assert error(loser) == (409, "conflict", None)
    assert body(loser)["item"] == body(winner)


async def test_null_removes_the_assignee(call: Call, publish: Any) -> None:
    path = f"/api/workitems/{await publish()}"
    await call("PATCH", path, json={"assignee": "ada"})
    assert body(await call("PATCH", path, json={"assignee": None}))["assignee"] is None


async def test_a_change_without_effect_makes_no_event(call: Call, publish: Any) -> None:
    path = f"/api/workitems/{await publish()}"
    head = body(await call("GET", "/api/workitems"))["head"]
    assert body(await call("PATCH", path, json={"status": "new"}))["version"] == 1
    assert body(await call("GET", "/api/workitems"))["head"] == head


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ("", None),
        ("{", None),
        ("[]", None),
        ("{}", None),
        ('{"version":1}', None),
        ("[" * 100_000, None),
        ('{"fields":{"a":NaN}}', None),
        ('{"fields":{"a":1e999}}', None),
        ('{"stauts":"done"}', "stauts"),
        ('{"status":"open"}', "status"),
        ('{"status":null}', "status"),
        ('{"status":1}', "status"),
        ('{"assignee":7}', "assignee"),
        ('{"assignee":"a\\nb"}', "assignee"),
        ('{"assignee":"\\ud800"}', "assignee"),
        ('{"assignee":"' + "x" * 65 + '"}', "assignee"),
        ('{"fields":[]}', "fields"),
        ('{"fields":null}', "fields"),
        ('{"fields":{"' + "x" * 65 + '":1}}', "fields"),
        ('{"fields":{"\\ud800":1}}', "fields"),
        ('{"fields":{"":1}}', "fields"),
        ('{"status":"done","version":"1"}', "version"),
        ('{"status":"done","version":true}', "version"),
    ],
)
async def test_a_wrong_change_names_its_field_and_changes_nothing(
    call: Call, publish: Any, raw: str, field: str | None
) -> None:
    path = f"/api/workitems/{await publish()}"
    assert error(await call("PATCH", path, body=raw)) == (422, "invalid", field)
    assert body(await call("GET", path))["version"] == 1


@pytest.mark.parametrize("if_match", ["x", '"1", "2"', "", "-1"])
async def test_a_wrong_if_match_is_not_ignored(call: Call, publish: Any, if_match: str) -> None:
    path = f"/api/workitems/{await publish()}"
    response = await call("PATCH", path, json={"status": "done"}, headers={"If-Match": if_match})
    assert error(response) == (422, "invalid", "If-Match")


async def test_header_and_body_must_name_the_same_version(call: Call, publish: Any) -> None:
    path = f"/api/workitems/{await publish()}"
    response = await call("PATCH", path, json={"status": "done", "version": 2}, headers={"If-Match": '"1"'})
    assert error(response) == (422, "invalid", "If-Match")


async def test_an_unknown_item_cannot_be_changed(call: Call) -> None:
    response = await call("PATCH", "/api/workitems/wi_" + "a" * 26, json={"status": "done"})
    assert error(response) == (404, "not_found", None)


async def test_the_same_version_can_have_different_responses(call: Call, publish: Any) -> None:
    path = f"/api/workitems/{await publish()}"
    assert (await call("GET", path, headers={"If-None-Match": '"1"'})).code == 200


async def test_special_characters_in_a_correction_are_kept(call: Call, publish: Any) -> None:
    path = f"/api/workitems/{await publish()}"
    value = 'a"b\\c \u2028 \U0001f600 </script> \x00'
    assert body(await call("PATCH", path, json={"fields": {"x": value}}))["extracted_fields"] == {"x": value}


async def test_a_deeply_nested_correction_cannot_break_the_queue_for_others(call: Call, publish: Any) -> None:
    path = f"/api/workitems/{await publish()}"
    for depth in (30, 31, *range(960, 1000)):  # near 980 one function can write it and another cannot read it
        answer = await call("PATCH", path, body='{"fields":{"deep":' + "[" * depth + "1" + "]" * depth + "}}")
        assert answer.code == (200 if depth <= 30 else 422)
    assert len(body(await call("GET", "/api/workitems"))["items"]) == 1

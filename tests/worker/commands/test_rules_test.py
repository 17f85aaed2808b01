"""`run.py rules test`: counts what the present rules find in stored mail, and changes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.worker.commands.test_reread import Desk
from worker.commands.rules_test import format_trial, rules_test
from worker.jobs.rules_trial import FieldTrial, Trial
from workitems.base.errors import InvalidChangeError
from workitems.base.redis import RedisClient
from workitems.settings import Settings


@pytest.fixture
def desk(redis: RedisClient, redis_url: str, tmp_path: Path) -> Desk:
    return Desk(redis, redis_url, tmp_path)


def _reading(fields: dict[str, Any], **doubts: Any) -> dict[str, Any]:
    evidence = {name: {"alternatives": []} for name in fields}
    return {"fields": fields, "evidence": evidence | {name: {"alternatives": each} for name, each in doubts.items()}}


def test_a_trial_counts_what_was_added_lost_changed_and_in_doubt() -> None:
    trial = Trial()
    trial.add("SUB-1", {"a": "1", "b": "x"}, _reading({"a": "2", "c": "new"}))
    trial.add("SUB-2", {"a": "1"}, _reading({"a": "1"}, d=["3", "4"]))
    assert trial.fields == {
        "a": FieldTrial(before=2, after=2, changed=1, examples=[("SUB-1", "1", "2")]),
        "b": FieldTrial(before=1, lost=1, examples=[("SUB-1", "x", None)]),
        "c": FieldTrial(after=1, added=1, examples=[("SUB-1", None, "new")]),
        "d": FieldTrial(in_doubt=1),
    }


def test_a_trial_is_a_table_with_examples_and_no_control_characters() -> None:
    trial = Trial()
    trial.add("SUB-1", {}, _reading({"name": "Kim\x1b[2J"}))
    text = format_trial(trial)
    assert "name                         0.0%   100.0%         0   1 added" in text
    assert "SUB-1: (none) → Kim" in text
    assert "\x1b" not in text


def test_a_trial_without_mail_or_fields_says_so_in_the_place_of_a_table() -> None:
    assert format_trial(Trial()) == "There is no stored mail yet."
    assert format_trial(Trial(mails=2)) == "2 mails were read.\nNo field was found."
    assert format_trial(Trial(unread=1)).endswith("1 could not be read, or their raw mail is no longer kept.")


async def test_new_rules_are_tried_on_stored_mail_and_nothing_changes(desk: Desk) -> None:
    item_id = await desk.item(1, body="Deal: XY-9")
    before = await desk.redis.hgetall(f"{{tubepost}}:item:{item_id}")
    rule = {"labels": ["Deal"], "type": "reference"}
    settings = Settings.model_validate(desk.settings.model_dump() | {"fields": {"deal": rule}})
    said: list[str] = []
    assert await rules_test(settings, mailbox="claims", as_json=True, say=said.append) == 0
    found = json.loads(said[0])
    assert (found["mails"], found["fields"]["deal"]["added"]) == (1, 1)
    assert found["fields"]["deal"]["examples"] == [["SUB-2026-000001", None, "XY-9"]]
    assert await desk.redis.hgetall(f"{{tubepost}}:item:{item_id}") == before
    assert await desk.waiting() == []


@pytest.mark.parametrize("how", [{"mailbox": "nowhere"}, {"last": 0}, {"last": 10_001}])
async def test_what_is_not_accepted_is_named(desk: Desk, how: dict[str, Any]) -> None:
    with pytest.raises(InvalidChangeError, match=r"set are: claims|1 to 10,000"):
        await rules_test(desk.settings, **how)

"""What a reading child answers is believed only when it is a reading."""

import json
import math
import tracemalloc
from dataclasses import asdict
from typing import Any

import pytest

from worker.answer import checked
from worker.reading import read
from worker.sandbox.failure import ReadFailedError
from worker.sandbox.mail import prepare
from worker.sandbox.process import Result
from workitems.redis import Client
from workitems.store import Store

RAW = b"From: Ann <ann@example.com>\r\nSubject: Hello\r\n\r\nPolicy Number: AB-12345\r\n"


def answer(**changed: Any) -> Result:
    reading, attachments = prepare({})(RAW, "desk")
    return Result(json.loads(json.dumps(reading)) | changed, attachments)  # as it comes through the pipe


def test_a_reading_passes_as_it_is() -> None:
    assert checked(answer()) == answer()
    assert asdict(read(RAW))["subject"] == checked(answer()).reading["subject"]


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"flags": "xxx"}, "flags"),
        ({"flags": [1]}, "flags.0"),
        ({"subject": {"a": 1}}, "subject"),
        ({"kind": "friend"}, "kind"),
        ({"to": [["deep"]]}, "to.0"),
        ({"preview": "x" * 100_000}, "preview"),
        ({"fields": []}, "fields"),
        ({"evidence": {"a": 1}}, "evidence.a"),
        ({"evidence": {"a": {"raw": "x", "source": "text", "start": 0, "end": 1}}}, "evidence.a"),
        ({"attachments": [{"n": "1"}]}, "attachments.0"),
        ({"reason": 5}, "reason"),
    ],
)
def test_what_is_no_reading_is_a_failed_one(changed: dict[str, Any], part: str) -> None:
    with pytest.raises(ReadFailedError, match=f"nonsense: its {part} is none") as failed:
        checked(answer(**changed))
    assert failed.value.kind == "crash"


def test_fields_without_a_bottom_and_attachments_without_contents_are_none() -> None:
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    with pytest.raises(ReadFailedError, match="too deep"):
        checked(answer(fields={"a": deep}))
    evidence = answer().reading["evidence"]["policy_number"]
    with pytest.raises(ReadFailedError, match="too deep"):
        checked(answer(evidence={"a": evidence | {"alternatives": [{"value": deep}]}}))
    with pytest.raises(ReadFailedError, match="do not agree"):
        checked(answer(attachments=[{"n": 1, "name": "a", "type": "b", "size": 1, "inline": False}]))


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


async def test_the_deepest_field_that_passes_can_be_read_again(redis: Client) -> None:
    deepest = max(levels for levels in range(40) if passes(answer(fields={"a": nested(levels)})))
    store = Store(redis, history=100)
    machine = {"created_at": "2026-11-22T10:00:00Z", "extracted_fields": {"a": nested(deepest)}}
    await store.publish("wi_" + "a" * 26, "desk", machine)
    assert (await store.get("wi_" + "a" * 26)).machine["extracted_fields"]["a"] == nested(deepest)


def passes(result: Result) -> bool:
    try:
        return checked(result) is result
    except ReadFailedError:
        return False


@pytest.mark.parametrize(
    "changed",
    [
        {"evidence": {str(number): {} for number in range(100_000)}},
        {"fields": {str(number): "x" for number in range(100_000)}},
        {"attachments": [{}] * 330_000},
        {"to": [1] * 500_000},
        {"flags": [[]] * 500_000},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_an_answer_that_is_wrong_all_over_costs_no_more_than_its_first_fault(changed: dict[str, Any]) -> None:
    result = answer(**changed)
    tracemalloc.start()
    try:
        with pytest.raises(ReadFailedError):
            checked(result)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("confidence", [math.nan, math.inf])
def test_a_confidence_that_no_json_can_say_is_none(confidence: float) -> None:
    evidence = answer().reading["evidence"]["policy_number"] | {"confidence": confidence}
    with pytest.raises(ReadFailedError, match="nonsense"):
        checked(answer(evidence={"a": evidence}))

"""The answer of a reading child is accepted only when it is a valid reading."""

import json
import math
import tracemalloc
from dataclasses import asdict
from typing import Any

import pytest

from worker.publishing.validation import validate_result
from worker.reading import read
from worker.sandbox.failure import ReadFailedError
from worker.sandbox.file_watch import CpuTimer, FileWatch
from worker.sandbox.mail_reader import make_reader
from worker.sandbox.process import ReadingResult
from workitems.base.redis import RedisClient
from workitems.queue.store import ItemStore

RAW = b"From: Ann <ann@example.com>\r\nSubject: Hello\r\n\r\nPolicy Number: AB-12345\r\n"


def answer(**changed: Any) -> ReadingResult:
    (given,) = make_reader({})(RAW, "desk", FileWatch(CpuTimer(), ignore, 1.0, 0.5))
    return ReadingResult(
        json.loads(json.dumps(given.reading)) | changed, list(given.attachments or ())
    )  # as after the pipe


def ignore(_: int) -> None:
    pass


def test_a_valid_reading_is_returned_unchanged() -> None:
    assert validate_result(answer()) == answer()
    assert asdict(read(RAW))["subject"] == validate_result(answer()).reading["subject"]


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
        ({"missing": [{"name": "a", "why": "forgotten", "readings": []}]}, "missing.0"),
        ({"missing": [{"name": "a", "why": "absent", "readings": [7]}]}, "missing.0"),
        ({"missing": [{"name": "a", "why": "absent", "readings": []}] * 2_000}, "missing"),
        ({"reason": 5}, "reason"),
        ({"regions": [{"kind": "secret", "start": 0, "end": 1}]}, "regions.0"),
        ({"regions": [{"kind": "new", "start": 0, "end": 1}] * 1_001}, "regions"),
        ({"forwarded": {"from": "x"}}, "forwarded.from_name"),
    ],
)
def test_an_answer_that_is_no_reading_is_refused(changed: dict[str, Any], part: str) -> None:
    with pytest.raises(ReadFailedError, match=f"invalid answer: its {part} is not valid") as failed:
        validate_result(answer(**changed))
    assert failed.value.kind == "crash"


def test_fields_nested_too_deeply_and_attachments_without_contents_are_refused() -> None:
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    with pytest.raises(ReadFailedError, match="too deeply"):
        validate_result(answer(fields={"a": deep}))
    evidence = answer().reading["evidence"]["policy_number"]
    with pytest.raises(ReadFailedError, match="too deeply"):
        validate_result(answer(evidence={"a": evidence | {"alternatives": [{"value": deep}]}}))
    with pytest.raises(ReadFailedError, match="do not match"):
        validate_result(answer(attachments=[{"n": 1, "name": "a", "type": "b", "size": 1, "inline": False}]))


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


async def test_the_most_deeply_nested_field_that_is_accepted_can_be_loaded_again(redis: RedisClient) -> None:
    deepest = max(levels for levels in range(40) if is_accepted(answer(fields={"a": nested(levels)})))
    store = ItemStore(redis, max_events=100)
    machine = {"created_at": "2026-11-22T10:00:00Z", "extracted_fields": {"a": nested(deepest)}}
    await store.publish("wi_" + "a" * 26, "desk", machine)
    assert (await store.get("wi_" + "a" * 26)).machine["extracted_fields"]["a"] == nested(deepest)


def is_accepted(result: ReadingResult) -> bool:
    try:
        return validate_result(result) is result
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
def test_an_answer_with_many_faults_needs_little_memory(changed: dict[str, Any]) -> None:
    result = answer(**changed)
    tracemalloc.start()
    try:
        with pytest.raises(ReadFailedError):
            validate_result(result)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("confidence", [math.nan, math.inf])
def test_a_confidence_that_json_cannot_hold_is_refused(confidence: float) -> None:
    evidence = answer().reading["evidence"]["policy_number"] | {"confidence": confidence}
    with pytest.raises(ReadFailedError, match="invalid answer"):
        validate_result(answer(evidence={"a": evidence}))

"""What a reading child answers is believed only when it is a reading."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from worker.answer import checked
from worker.reading import read
from worker.sandbox.failure import ReadFailedError
from worker.sandbox.mail import prepare
from worker.sandbox.process import Result

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

"""Each key of a rule has an example in the document about rules, and the example is true."""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.examples import block, section
from tests.support.program import PROJECT
from tests.worker.reading.mails import plain
from worker.reading import FieldRule, read
from workitems.settings import Settings
from workitems.settings.fields import FieldSettings, FieldWay

DOCUMENT = (PROJECT / "docs/rules.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^### (.+)$", DOCUMENT, re.MULTILINE)

#: An arrow, a mailbox or what is looked at, and JSON.
_RESULT = re.compile(r"→ (?:([a-z_]+) )?(.*)")


def cases(heading: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the text of each mail below a heading, the word before its result, and the result."""
    lines: list[str] = []
    for line in block(heading, "text", DOCUMENT).splitlines():
        if found := _RESULT.fullmatch(line):
            yield "\n".join(lines), found[1] or "", json.loads(found[2])
            lines = []
        else:
            lines.append(line)


def test_each_key_has_an_example() -> None:
    assert FieldSettings.model_fields.keys() | FieldWay.model_fields.keys() <= set(HEADINGS)


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_example_is_true(heading: str) -> None:
    tables = tomllib.loads(block(heading, "toml", DOCUMENT))
    fields = {name: FieldSettings.model_validate(table) for name, table in tables["fields"].items()}
    settings = Settings.model_construct(fields=fields)
    assert heading not in FieldSettings.model_fields or re.search(rf"\b{heading}\b", section(heading, DOCUMENT))
    for text, word, expected in cases(heading):
        rules = [FieldRule.decode(rule) for rule in settings.field_rules(word)]
        reading = read(plain(text), rules)
        if word == "flags":
            assert list(reading.flags) == expected
        elif word == "due":
            assert reading.due_field is not None
            assert reading.fields[reading.due_field] == expected
        else:
            assert list(reading.fields.items()) == list(expected.items())

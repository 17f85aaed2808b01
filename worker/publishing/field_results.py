"""What the rules found in one mail: the result of each field that is expected in its mailbox."""

from collections.abc import Iterable, Mapping
from typing import Any

from worker.sandbox.frames import EncodedRules
from workitems.queue.field_counts import ABSENT, FOUND, IN_DOUBT

Json = Mapping[str, Any]


def expected_by_mailbox(rules: EncodedRules) -> dict[str, tuple[str, ...]]:
    """Return by mailbox the names of the fields that *rules* look for, each once; general fields are not expected."""
    return {
        mailbox: tuple(dict.fromkeys(rule["name"] for rule in given if not isinstance(rule, str)))
        for mailbox, given in rules.items()
    }


def field_results(reading: Json, expected: Iterable[str]) -> dict[str, str]:
    """Return the result of each *expected* field, by its name.

    Only names that are *expected* are in it, whatever the child says that read the mail.
    """
    why = {each["name"]: each["why"] for each in reading["missing"]}
    return {name: _result(name in reading["fields"], why.get(name, "absent")) for name in expected}


def _result(is_found: bool, why: str) -> str:
    if is_found:
        return FOUND
    return ABSENT if why == "absent" else IN_DOUBT

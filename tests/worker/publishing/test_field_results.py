"""What counts for the hit rate of fields: the expected fields of mail that a person wrote and that was read."""

from typing import Any

import pytest

from tests.worker.publishing.test_publication import _version
from worker.main import rules
from worker.publishing.field_results import expected_by_mailbox, field_results
from worker.publishing.publication import build_publication
from workitems.settings import Settings

EXPECTED = ("policy_number", "due")


def missing(**why: str) -> list[dict[str, Any]]:
    return [{"name": name, "why": each, "readings": []} for name, each in why.items()]


def results(reason: str | None = None, **version: Any) -> dict[str, str]:
    return build_publication([_version(**version)], ["r"], reason=reason, expected_fields=EXPECTED).field_results


def test_each_expected_field_is_found_in_doubt_or_absent() -> None:
    reading = {"fields": {"a": "1", "other": "2"}, "missing": missing(b="ambiguous", c="wrong_type", d="absent")}
    assert field_results(reading, ["a", "b", "c", "d", "e"]) == {
        "a": "found", "b": "in_doubt", "c": "in_doubt", "d": "absent", "e": "absent",
    }  # fmt: skip


def test_only_the_fields_of_rules_in_the_settings_are_expected() -> None:
    ways = [{"name": "deal", "labels": ["Deal"]}, {"name": "deal", "labels": ["Trade"]}, "general"]
    assert expected_by_mailbox({"claims": ways, "*": ["general"]}) == {"claims": ("deal",), "*": ()}


def test_mail_of_a_person_counts() -> None:
    assert results(missing=missing(due="ambiguous")) == {"policy_number": "found", "due": "in_doubt"}


@pytest.mark.parametrize("what", [
    {"kind": "auto_reply"}, {"own": True}, {"reason": "it takes too long"}, {"oversized": True}, {"size": 1_000_000},
])  # fmt: skip
def test_mail_of_programs_and_mail_that_was_not_read_whole_do_not_count(what: dict[str, Any]) -> None:
    assert results(**what) == {}


def test_each_mailbox_expects_the_fields_of_its_own_rules() -> None:
    box = {"host": "localhost", "user": "u", "password": "p"}
    settings = Settings.model_validate({
        "mailboxes": {"claims": box},
        "fields": {
            "deal": {"labels": ["Deal"]},
            "claim": {"labels": ["Claim"], "mailboxes": ["claims"]},
            "order": {"labels": ["Order"], "mailboxes": ["posted"]},
        },
    })  # fmt: skip
    expected = {"claims": ("deal", "claim"), "posted": ("deal", "order"), "*": ("deal",)}
    assert expected_by_mailbox(rules(settings)) == expected

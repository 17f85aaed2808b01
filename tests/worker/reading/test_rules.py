"""Field rules are data: what is wrong in them is named, and they come back as they went."""

import pytest

from worker.reading import GENERAL, FieldRule


def test_a_rule_survives_encoding_and_decoding() -> None:
    data = {
        "name": "policy_number",
        "labels": ["Policy No", "Pol #"],
        "pattern": r"[A-Z]{2,4}-?\d{5,9}",
        "type": "reference",
        "required": True,
    }
    rule = FieldRule.decode(data)
    assert rule.labels == ("Policy No", "Pol #")
    assert rule.encode() == data


def test_all_general_rules_survive_encoding_and_decoding() -> None:
    assert [FieldRule.decode(rule.encode()) for rule in GENERAL] == list(GENERAL)


def test_region_and_currency_are_written_in_capitals() -> None:
    rule = FieldRule.decode({"name": "a", "labels": ["A"], "region": "us", "currency": "usd"})
    assert (rule.region, rule.currency) == ("US", "USD")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"labels": ["A"]}, "name"),
        ({"name": "a"}, "labels or a pattern"),
        ({"name": "a", "labels": ["A"], "typ": "date"}, "typ"),
        ({"name": "a", "labels": ["A"], "type": "colour"}, "accepted: text"),
        ({"name": "a", "labels": "A"}, "labels"),
        ({"name": "a", "labels": [7]}, "labels"),
        ({"name": "a", "labels": ["A"], "order": "YDM"}, "DMY"),
        ({"name": "a", "labels": ["A"], "region": "USA"}, "region"),
        ({"name": "a", "labels": ["A"], "currency": 3}, "currency"),
        ({"name": "a", "labels": ["A"], "required": "yes"}, "true or false"),
        ({"name": "a", "pattern": "(unclosed"}, "'a'"),
        ({"name": "a", "pattern": r"(?<=x)y"}, "look-around"),
        ({"name": "a", "pattern": r"(a)\1"}, "RE2"),
        ({"name": "a", "pattern": "x" * 2000}, "pattern"),
        ({"name": "a", "pattern": "x", "type": "table"}, "table"),
        ("text", "object"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(data: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named.replace("(", r"\(")):
        FieldRule.decode(data)

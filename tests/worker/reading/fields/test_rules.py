"""Field rules are data: errors name the wrong part, and encoding can be reversed."""

import pytest

from worker.reading import GENERAL_RULES, FieldRule
from worker.reading.fields.rules import add_general, is_general


def test_an_encoded_and_decoded_rule_is_equal() -> None:
    data = {
        "name": "policy_number",
        "labels": ["Policy No", "Pol #"],
        "pattern": r"[A-Z]{2,4}-?\d{5,9}",
        "type": "reference",
        "required": True,
        "labels_only": True,
        "show": 1,
    }
    rule = FieldRule.decode(data)
    assert rule.labels == ("Policy No", "Pol #")
    assert rule.encode() == data


def test_all_general_rules_are_equal_when_encoded_and_decoded() -> None:
    assert [FieldRule.decode(rule.encode()) for rule in GENERAL_RULES] == list(GENERAL_RULES)


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
        ({"name": "a", "pattern": "x", "labels_only": True}, "labels_only"),
        ({"name": "a", "labels": ["A"], "show": 4}, "1, 2 or 3"),
        ({"name": "a", "labels": ["A"], "show": True}, "1, 2 or 3"),
        ({"name": "a", "labels": ["A"], "due": True}, "date or datetime"),
        ("text", "object"),
    ],
)
def test_the_error_for_a_wrong_rule_names_the_fault(data: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named.replace("(", r"\(")):
        FieldRule.decode(data)


def test_general_rules_are_added_and_one_of_the_same_name_replaces_its_namesake() -> None:
    own = FieldRule("order_number", ("Commission",), type="reference")
    rules = add_general([own])
    assert [rule for rule in rules if rule.name == "order_number"] == [own]
    assert len(rules) == len(GENERAL_RULES)
    assert sum(map(is_general, rules)) == len(GENERAL_RULES) - 1

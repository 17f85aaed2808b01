"""Numbers are JSON numbers, and no parts of dates or words."""

from typing import Any

import pytest

from worker.reading import FieldRule
from worker.reading.fields.values import Hint, find_value


def value(kind: str, text: str, **rule: Any) -> Any:
    found = find_value(FieldRule("x", ("x",), type=kind, **rule), text, Hint())
    return None if found is None else found.value


def test_numbers_are_json_numbers() -> None:
    assert value("number", "1,250 pieces") == 1250
    assert isinstance(value("number", "12"), int)
    assert value("number", "12.5 %") == 12.5
    assert value("number", "none") is None


@pytest.mark.parametrize(
    ("text", "number"), [("(5)", -5), ("5-", -5), ("5 CR", -5), ("-5", -5), ("12kg", 12), ("5 %", 5)]
)
def test_a_number_may_be_negative_as_in_accounts_and_have_a_unit(text: str, number: int) -> None:
    assert value("number", text) == number


@pytest.mark.parametrize("text", ["21 March 2026", "on 21/03/2026", "A12", "88-123", "3rd", "https://x.example/500"])
def test_a_part_of_a_date_a_word_or_an_address_is_no_number(text: str) -> None:
    assert value("number", text) is None

"""The values that are drawn for a letter."""

import random
import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from demo.letters.values import DrawnValue, draw, fill

NOON = datetime(2026, 3, 30, 12, tzinfo=UTC)


def drawn(rules, *, language="en", seed=1):
    return draw(rules, language=language, now=NOON, pick=random.Random(seed), known={})


@pytest.mark.parametrize(
    ("style", "written"),
    [
        ("1,234.56", "12,345.60"),
        ("1.234,56", "12.345,60"),
        ("1\u00a0234,5", "12\u00a0345,6"),
        ("1'234.50", "12'345.60"),
        ("1.234", "12.346"),
        ("1234", "12346"),
        ("1234,56", "12345,60"),
    ],
)
def test_a_number_has_the_form_of_the_example(style, written):
    values = drawn({"price": {"amount": [12345.6, 12345.6], "as": style}})

    assert values["price"].text == written


def test_a_sum_adds_products_of_the_written_values():
    values = drawn(
        {
            "pieces": {"amount": [3, 3], "as": "1234"},
            "price": {"amount": [9.995, 9.995], "as": "1,234.56"},
            "total": {"sum": [["pieces", "price"], ["price", 0.5], ["pieces", -1]], "as": "1,234.56"},
        }
    )

    assert values["price"].number == Decimal("10.00")
    assert values["total"].text == "32.00"


def test_every_hash_becomes_a_digit_and_values_can_contain_others():
    values = drawn({"policy": "AB-#####", "file": "{{policy}}-{{yy}}"})

    assert re.fullmatch(r"AB-\d{5}", values["policy"].text)
    assert values["file"].text == values["policy"].text + "-26"


def test_a_person_has_a_first_and_a_last_name():
    person = drawn({"sender": ["Ana María de la Peña <ana@casa.example>"]})["sender"]

    assert person.parts == {
        "name": "Ana María de la Peña",
        "first": "Ana",
        "last": "Peña",
        "address": "ana@casa.example",
    }


@pytest.mark.parametrize(
    ("language", "written"), [("en", "1. April 2026"), ("fr", "1. avril 2026"), ("pl", "1. kwietnia 2026")]
)
def test_a_date_is_written_in_the_language_of_the_letter(language, written):
    assert drawn({"day": {"days": [2, 2], "as": "%-d. %B %Y"}}, language=language)["day"].text == written


def test_a_date_may_count_from_another_one():
    values = drawn({"start": {"days": [1, 1], "as": "%F"}, "end": {"after": "start", "days": [364, 364], "as": "%F"}})

    assert values["end"].text == "2027-03-30"


def test_html_escapes_values_but_not_the_template():
    assert fill("<b>{{firm}}</b>", {"firm": DrawnValue("A & B")}, escape=lambda text: text.replace("&", "&amp;")) == (
        "<b>A &amp; B</b>"
    )


def test_an_unknown_kind_of_value_is_named_in_the_error():
    with pytest.raises(ValueError, match="dayz"):
        drawn({"day": {"dayz": [1, 2], "as": "%F"}})

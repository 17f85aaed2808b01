"""Dates are read when there is one way to read them."""

import pytest

from worker.reading import FieldRule
from worker.reading.fields.values import Hint, ambiguous, find


def date(text: str, order: str | None = None, language: str | None = None, kind: str = "date") -> str | None:
    value = find(FieldRule("d", ("d",), type=kind, order=order), text, Hint(language))
    return value.value if value else None


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-04",
        "2026/03/04",
        "20260304",
        "04.03.2026",
        "4.3.26",
        "March 4, 2026",
        "Mar 4 2026",
        "4 March 2026",
        "4th of March 2026",
        "Wednesday, 4 March 2026, noon",
        "04-Mar-2026",
        "4. März 2026",
        "4 mars 2026",
        "4 de marzo de 2026",
        "4 marzo 2026",
        "4 maart 2026",
        "2026年3月4日",
        "4 março 2026",
        "4 marca 2026",
    ],
)
def test_one_day_written_in_many_ways(text: str) -> None:
    assert date(text) == "2026-03-04"


@pytest.mark.parametrize(
    "text",
    [
        "03/04/2026",
        "03/04/26",
        "tomorrow",
        "next Friday",
        "to",
        "ON",
        "10,00 2",
        "12 March",
        "March 2026",
        "30 February 2026",
        "2026-13-01",
        "DE89 3704 0044 0532 0130 00",
        "192.168.10.2026",
        "Main Street 12",
        "",
    ],
)
def test_what_is_ambiguous_relative_or_no_date_is_no_value(text: str) -> None:
    assert date(text) is None


def test_order_decides_and_so_does_a_language_that_writes_days_first() -> None:
    assert date("03/04/2026", order="DMY") == "2026-04-03"
    assert date("03/04/2026", order="MDY") == "2026-03-04"
    assert date("26/03/04", order="YMD") == "2026-03-04"
    assert date("03/04/2026", language="fr") == "2026-04-03"
    assert date("03/04/2026", order="MDY", language="fr") == "2026-03-04"


def test_only_one_order_may_be_possible() -> None:
    assert date("25/12/2026") == date("12/25/2026") == "2026-12-25"
    assert date("04/04/2026") == "2026-04-04"


def test_an_ambiguous_date_offers_both_readings() -> None:
    assert ambiguous(FieldRule("d", ("d",), type="date"), "03/04/2026") == ["2026-03-04", "2026-04-03"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-04T10:05:00Z", "2026-03-04T10:05:00+00:00"),
        ("2026-03-04 10:05 +0200", "2026-03-04T10:05:00+02:00"),
        ("4 March 2026, 3:30 pm", "2026-03-04T15:30:00"),
        ("04.03.2026 um 14:00 Uhr", "2026-03-04T14:00:00"),
        ("4 mars 2026 à 9h15", "2026-03-04T09:15:00"),
        ("2026-03-04", None),
        ("2026-03-04 25:00", None),
    ],
)
def test_a_moment_has_a_time_and_an_offset_only_where_it_is_written(text: str, moment: str | None) -> None:
    assert date(text, kind="datetime") == moment

"""Dates are read only when their meaning is clear; else their readings are offered."""

import datetime

import pytest

from worker.reading import FieldRule
from worker.reading.fields.values import Hint, find_readings, find_value


def date(text: str, order: str | None = None, language: str | None = None, kind: str = "date") -> str | None:
    value = find_value(FieldRule("d", ("d",), type=kind, order=order), text, Hint(language))
    return value.value if value else None


def readings(text: str, kind: str = "date", sent: datetime.date | None = None, order: str | None = None) -> list[str]:
    found = find_readings(FieldRule("d", ("d",), type=kind, order=order), text, Hint(sent=sent))
    return list(found.values) if found else []


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
        "04/Mar/2026",
        "2026-Mar-04",
        "2026/mar/4",
        "Mar-04-2026",
        "Mar. 4 , 2026",
        "4th of March of 2026",
        "4e maart 2026",
        "4. März 2026",
        "4 mars 2026",
        "4 de marzo de 2026",
        "4 marzo 2026",
        "4 maart 2026",
        "2026年3月4日",
        "4 março 2026",
        "4 marca 2026",
        "4. března 2026",
        "4 Μαρτίου 2026",
        "4 Mart 2026",
        "4. maaliskuuta 2026",
        "4. marts 2026",
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
def test_an_ambiguous_or_relative_date_or_other_text_is_no_value(text: str) -> None:
    assert date(text) is None


def test_the_order_or_a_language_with_days_first_makes_a_date_clear() -> None:
    assert date("03/04/2026", order="DMY") == "2026-04-03"
    assert date("03/04/2026", order="MDY") == "2026-03-04"
    assert date("26/03/04", order="YMD") == "2026-03-04"
    assert date("03/04/2026", language="fr") == "2026-04-03"
    assert date("03/04/2026", order="MDY", language="fr") == "2026-03-04"


def test_a_date_with_only_one_possible_order_is_clear() -> None:
    assert date("25/12/2026") == date("12/25/2026") == "2026-12-25"
    assert date("04/04/2026") == "2026-04-04"


def test_an_ambiguous_date_offers_both_readings() -> None:
    assert readings("03/04/2026") == ["2026-03-04", "2026-04-03"]
    assert readings("03/04/26") == ["2003-04-26", "2026-03-04", "2026-04-03"]


def test_the_same_date_written_clearly_beside_it_decides_an_ambiguous_one() -> None:
    assert date("03/04/2026 (4 March 2026)") == "2026-03-04"
    assert date("03/04/2026 (5 May 2026)") is None


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("16 JUL", ["2026-07-16", "2027-07-16"]),
        ("14. Juli", ["2026-07-14", "2027-07-14"]),
        ("December 3rd", ["2025-12-03", "2026-12-03"]),
        ("03.12.", ["2025-12-03", "2026-12-03"]),
        ("12月3日", ["2025-12-03", "2026-12-03"]),
        ("3/12", ["2025-12-03", "2026-12-03", "2026-03-12", "2027-03-12"]),
    ],
)
def test_a_date_without_a_year_offers_the_days_before_and_after_the_mail(text: str, days: list[str]) -> None:
    assert readings(text, sent=datetime.date(2026, 11, 27)) == days
    assert date(text) is None


def test_a_date_without_a_year_in_a_mail_without_a_date_offers_nothing() -> None:
    found = find_readings(FieldRule("d", ("d",), type="date"), "16 July", Hint())
    assert found is not None
    assert found.values == ()


def test_the_days_of_a_range_are_both_offered() -> None:
    assert readings("4 - 6 March 2026") == ["2026-03-04", "2026-03-06"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-04T10:05:00Z", "2026-03-04T10:05:00+00:00"),
        ("2026-03-04 10:05 +0200", "2026-03-04T10:05:00+02:00"),
        ("4 March 2026, 3:30 pm", "2026-03-04T15:30:00"),
        ("04.03.2026 um 14:00 Uhr", "2026-03-04T14:00:00"),
        ("4 mars 2026 à 9h15", "2026-03-04T09:15:00"),
        ("4 March 2026 5:00 PM EST", "2026-03-04T17:00:00-05:00"),
        ("4 March 2026, 17:00 (CET)", "2026-03-04T17:00:00+01:00"),
        ("4 March 2026 17:00 UTC+2", "2026-03-04T17:00:00+02:00"),
        ("4 March 2026 17:00 GMT+05:30", "2026-03-04T17:00:00+05:30"),
        ("5:00 PM EST on March 4, 2026", "2026-03-04T17:00:00-05:00"),
        ("10:30, 4 March 2026", "2026-03-04T10:30:00"),
        ("2026-03-04", None),
        ("2026-03-04 25:00", None),
    ],
)
def test_a_moment_has_a_time_and_an_offset_only_if_they_are_written(text: str, moment: str | None) -> None:
    assert date(text, kind="datetime") == moment


@pytest.mark.parametrize("zone", ["CST", "IST", "BST", "AST", "local time"])
def test_a_zone_name_that_several_zones_share_gives_no_offset(zone: str) -> None:
    assert date(f"4 March 2026 10:00 {zone}", kind="datetime") == "2026-03-04T10:00:00"


def test_both_readings_of_a_moment_have_its_time() -> None:
    assert readings("03/04/2026 10:00", "datetime") == ["2026-03-04T10:00:00", "2026-04-03T10:00:00"]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Friday, 03/04/2026", ["2026-04-03"]),
        ("Wednesday, 03/04/2026", ["2026-03-04"]),
        ("Wed 03/04/2026", ["2026-03-04"]),
        ("03/04/2026 (Friday)", ["2026-04-03"]),
        ("viernes 03/04/2026", ["2026-04-03"]),
        ("sexta-feira, 03/04/2026", ["2026-04-03"]),
        ("Monday, 03/04/2026", ["2026-03-04", "2026-04-03"]),
        ("Mr Friday-Smith 03/04/2026", ["2026-03-04", "2026-04-03"]),
        ("Tuesday, 5 May", ["2026-05-05"]),
        ("Dienstag, den 5. Mai", ["2026-05-05"]),
        ("Monday, 5 May", ["2025-05-05"]),
        ("5月5日(火)", ["2026-05-05"]),
        ("Sunday, 5 May", ["2025-05-05", "2026-05-05"]),
        ("to 03/04/2025", ["2025-03-04", "2025-04-03"]),  # "to" is short for Thursday in Finnish
        ("do 03/04/2025", ["2025-03-04", "2025-04-03"]),
        ("per 03/04/2025", ["2025-03-04", "2025-04-03"]),
        ("So 04/03/2026", ["2026-03-04", "2026-04-03"]),
        ("Wednesday 4 - 6 March 2026", ["2026-03-04", "2026-03-06"]),
    ],
)
def test_the_name_of_the_day_decides_a_date_in_doubt(text: str, days: list[str]) -> None:
    assert readings(text, sent=datetime.date(2026, 1, 15)) == days

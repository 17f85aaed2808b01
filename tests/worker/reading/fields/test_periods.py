"""The two days of a period of insurance are two fields."""

import pytest

from tests.worker.reading.mails import page, plain
from worker.reading import FieldRule, read
from worker.reading.fields.periods import part_of_period
from worker.reading.fields.rules import add_general

DAYS = {"effective_date": "2026-05-01", "expiry_date": "2027-04-30"}


@pytest.mark.parametrize(
    "line",
    [
        "Policy period: 1 May 2026 to 30 April 2027",
        "Period of Insurance: from 1 May 2026 until 30 April 2027 (both days included)",
        "Policy Period: May 1, 2026 - April 30, 2027",
        "Policy Period\n2026-05-01 – 2027-04-30",
        "Versicherungszeitraum: 01.05.2026 bis 30.04.2027",
        "Laufzeit: 01.05.2026-30.04.2027",
        "Période d'assurance : du 01/05/2026 au 30/04/2027",
        "Vigencia: del 01/05/2026 al 30/04/2027",
        "Periodo di copertura: dal 01/05/2026 al 30/04/2027",
        "Verzekeringsperiode: 1-5-2026 t/m 30-4-2027",
        "Vigência: 01/05/2026 a 30/04/2027",
        "Okres ubezpieczenia: 01.05.2026 - 30.04.2027",
        "保険期間：2026年5月1日から2027年4月30日まで",
        "Inception / Expiry: 1 May 2026 / 30 April 2027",
    ],
)
def test_a_period_has_a_first_and_a_last_day(line: str) -> None:
    assert read(plain(line)).fields == DAYS


def test_a_period_may_be_in_the_next_cell() -> None:
    table = "<table><tr><td>Policy period</td><td>1 May 2026 to 30 April 2027</td></tr></table>"
    assert read(page(table)).fields == DAYS


@pytest.mark.parametrize("line", ["Policy period: 12 months", "Policy period: from 1 May 2026", "Laufzeit: 1 Jahr"])
def test_a_length_or_a_single_day_is_no_period(line: str) -> None:
    assert read(plain(line)).fields == {}


def test_a_rule_of_the_settings_may_have_the_label_of_a_period() -> None:
    rule = FieldRule("expiry_date", ("Policy period until",), type="date")
    own = read(plain("Policy period until: 30 April 2027"), add_general([rule])).fields
    assert own == {"expiry_date": "2027-04-30"}


def test_the_part_of_a_period_is_found_by_its_dates() -> None:
    text = "up to 1 May 2026 to 30 April 2027"
    first, last = (text[slice(*(part_of_period(text, is_end=is_end) or ()))] for is_end in (False, True))
    assert (first, last) == ("up to 1 May 2026", "30 April 2027")

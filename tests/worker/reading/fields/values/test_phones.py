"""Telephone numbers need a country; their extension is kept."""

from typing import Any

import pytest

from worker.reading import FieldRule
from worker.reading.fields.values import Hint, find_value


def value(kind: str, text: str, **rule: Any) -> Any:
    found = find_value(FieldRule("x", ("x",), type=kind, **rule), text, Hint())
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("text", "region", "phone"),
    [
        ("+1 212-555-0123", None, "+12125550123"),
        ("+49 (0)30 901820", None, "+4930901820"),
        ("0049 30 901820", None, "+4930901820"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("030 901820", "DE", "+4930901820"),
        ("(212) 555-0123", None, None),
        ("030 901820", None, None),
        ("INV-4711", "US", None),
        ("12", "US", None),
    ],
)
def test_phones_need_a_country(text: str, region: str | None, phone: str | None) -> None:
    assert value("phone", text, region=region) == phone


@pytest.mark.parametrize(
    ("text", "region", "phone"),
    [
        ("+44 20 7946 0018 ext 22", None, "+442079460018;ext=22"),
        ("+44 20 7946 0018 ext. 22", None, "+442079460018;ext=22"),
        ("+44 20 7946 0018, extension 22", None, "+442079460018;ext=22"),
        ("+44 20 7946 0018 #22", None, "+442079460018;ext=22"),
        ("+44 20 7946 0018;ext=22", None, "+442079460018;ext=22"),
        ("(415) 555-2671 x204", "US", "+14155552671;ext=204"),
        ("030 901820 Durchwahl 17", "DE", "+4930901820;ext=17"),
        ("020 7946 0019 / 0020", "GB", "+442079460019"),
    ],
)
def test_an_extension_is_written_as_in_rfc_3966(text: str, region: str | None, phone: str) -> None:
    assert value("phone", text, region=region) == phone

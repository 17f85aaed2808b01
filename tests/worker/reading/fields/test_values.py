"""Each type has one normal form; what does not parse is no value."""

from typing import Any

import pytest

from worker.reading import FieldRule
from worker.reading.fields.values import Hint, find


def value(kind: str, text: str, **rule: Any) -> Any:
    found = find(FieldRule("x", ("x",), type=kind, **rule), text, Hint())
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("AB-12345", "AB-12345"),
        ("*AB-12345*.", "AB-12345"),
        ("#4711", "4711"),
        ("AB 123456 and more", "AB 123456"),
        ("12 345 678", "12 345 678"),
        ("2026/88-1, thanks", "2026/88-1"),
        ("PQRSTU", "PQRSTU"),
        ("is unknown", None),
        ("n/a", None),
        ("someone", None),
        ("a1@b.example", None),
    ],
)
def test_references(text: str, reference: str | None) -> None:
    assert value("reference", text) == reference


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" Jane Doe ", "Jane Doe"),
        ("Müller & Söhne GmbH", "Müller & Söhne GmbH"),
        ("Jane Doe <jane@a.example>", "Jane Doe"),
        ("jane@a.example", None),
        ("4711", None),
        ("-", None),
        ("TBD", None),
    ],
)
def test_names(text: str, name: str | None) -> None:
    assert value("name", text) == name


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


def test_numbers_are_json_numbers() -> None:
    assert value("number", "1,250 pieces") == 1250
    assert isinstance(value("number", "12"), int)
    assert value("number", "12.5 %") == 12.5
    assert value("number", "none") is None


def test_email_addresses_are_lower_case() -> None:
    assert value("email", "Jane.Doe@Client.Example (work)") == "jane.doe@client.example"
    assert value("email", "jane at client") is None

"""References, names and mail addresses have one normal form; text that cannot be parsed is no value."""

from typing import Any

import pytest

from worker.reading import FieldRule
from worker.reading.fields.values import Hint, find_value


def value(kind: str, text: str, **rule: Any) -> Any:
    found = find_value(FieldRule("x", ("x",), type=kind, **rule), text, Hint())
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("AB-12345", "AB-12345"),
        ("*AB-12345*.", "AB-12345"),
        ("#4711", "4711"),
        ("AB 123456 and more", "AB 123456"),
        ("12 345 678", "12 345 678"),
        ("550 118.", "550 118"),
        ("2026/88-1, thanks", "2026/88-1"),
        ("PQRSTU", "PQRSTU"),
        ("1Z 999 AA1 01 2345 6784", "1Z 999 AA1 01 2345 6784"),
        ("NumberKH-2026-00417", "KH-2026-00417"),
        ("#123-45", "123-45"),
        ("HG-30 118 552", "HG-30 118 552"),
        ("44-118 209.", "44-118 209"),
        ("TC/88 20417 and more", "TC/88"),
        ("AB-12 2 boxes", "AB-12"),
        ("RT 8810 2293 GB. Please pay", "RT 8810 2293 GB"),
        ("RT 8810 2293 and more", "RT 8810 2293"),
        ("RT 8810 boxes", "RT 8810"),
        ("12/05/2026 118", None),
        ("12/05/2026", None),
        ("10:30", None),
        ("3rd party", None),
        ("2x crates", None),
        ("EUR 500", None),
        ("1,250.00", None),
        ("80%", None),
        ("URGENT", None),
        ("https://x.example/orders/12345", None),
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
        ("not applicable", None),
        ("Best Regards", None),
        ('The "Blue Whale"', 'The "Blue Whale"'),
        ('"Blue Whale"', "Blue Whale"),
        ("„Blau“ GmbH", "„Blau“ GmbH"),
        ("Jones'", "Jones'"),
        ("Jane Doe, +44 20 7946 0018", "Jane Doe"),
        ("Jane Doe / jane@a.example", "Jane Doe"),
        ("Jane Doe, tel. 5550118", "Jane Doe"),
        ("Doe, Jane", "Doe, Jane"),
        ("Tartak Jodła sp. z o.o.", "Tartak Jodła sp. z o.o."),
        ("Transportes de la Costa y del Sur", "Transportes de la Costa y del Sur"),
        ("See the note on it", None),
    ],
)
def test_names(text: str, name: str | None) -> None:
    assert value("name", text) == name


def test_email_addresses_are_lower_case() -> None:
    assert value("email", "Jane.Doe@Client.Example (work)") == "jane.doe@client.example"
    assert value("email", "jane at client") is None

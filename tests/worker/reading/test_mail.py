"""Whole mails: business mail in four languages, headers only, and the same reading each time."""

from typing import Any

import pytest

from tests.worker.reading.mails import plain, text_at
from worker.reading import ReadingLimits, read, read_headers

ENGLISH = """Hello team,

please find the details of our claim below.

Policy Number: POL-1234567
Claim No. CLM-2026-0042
Insured: Smith & Sons Ltd.
Date of Loss: March 4, 2026
Amount Claimed: USD 12,500.00
Deadline: 2026-03-15
Address: 12 Main St, Springfield
E-mail: Jane.Doe@Client.Example
Phone: +1 212-555-0123

Kind regards
Jane
"""
GERMAN = """Sehr geehrte Damen und Herren,

hiermit melden wir einen Schaden.

Versicherungsschein-Nr.: VS 123456
Schadennummer: S-2026/88
Versicherungsnehmer: Müller GmbH
Schadendatum: 03.04.2026
Schadenhöhe: 4.500,00 EUR
Gesamtbetrag: 3.355 EUR
Telefon: +49 30 901820
Frist: 15. März 2026
Rechnungs-Nr. 2026-99

Mit freundlichen Grüßen
"""
FRENCH = """Bonjour,

N° de police : AB 123456
Numéro de sinistre : 2026-77
Assuré : Jean Dupont
Date du sinistre : 03/04/2026
Montant : 1 250,50 €
Échéance : 12 février 2026
Tél. : +33 1 42 68 53 00

Cordialement
"""
SPANISH = """Estimados señores:

Nº de póliza: 998877
Número de siniestro: SIN-1
Asegurado: María García
Fecha del siniestro: 3 de abril de 2026
Importe: 1.234,56 €
Fecha límite: 01/02/2026
Correo electrónico: maria@client.example

Saludos
"""


def eur(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (
            ENGLISH,
            {
                "policy_number": "POL-1234567",
                "claim_number": "CLM-2026-0042",
                "insured": "Smith & Sons Ltd.",
                "loss_date": "2026-03-04",
                "amount": {"amount": "12500.00", "currency": "USD"},
                "deadline": "2026-03-15",
                "address": "12 Main St, Springfield",
                "email": "jane.doe@client.example",
                "phone": "+12125550123",
            },
        ),
        (
            GERMAN,
            {
                "policy_number": "VS 123456",
                "claim_number": "S-2026/88",
                "insured": "Müller GmbH",
                "loss_date": "2026-04-03",
                "amount": eur("4500.00"),
                "total": eur("3355.00"),
                "phone": "+4930901820",
                "deadline": "2026-03-15",
                "invoice_number": "2026-99",
            },
        ),
        (
            FRENCH,
            {
                "policy_number": "AB 123456",
                "claim_number": "2026-77",
                "insured": "Jean Dupont",
                "loss_date": "2026-04-03",
                "amount": eur("1250.50"),
                "due_date": "2026-02-12",
                "phone": "+33142685300",
            },
        ),
        (
            SPANISH,
            {
                "policy_number": "998877",
                "claim_number": "SIN-1",
                "insured": "María García",
                "loss_date": "2026-04-03",
                "amount": eur("1234.56"),
                "deadline": "2026-02-01",
                "email": "maria@client.example",
            },
        ),
    ],
    ids=["english", "german", "french", "spanish"],
)
def test_business_mail_gives_its_fields_and_no_others(body: str, fields: dict[str, Any]) -> None:
    reading = read(plain(body))
    assert reading.fields == fields
    for evidence in reading.evidence.values():
        assert text_at(reading, evidence) == evidence["raw"]


def test_headers_are_read() -> None:
    head = "Cc: A <a@x.example>, B <B@x.example>\r\nDate: Mon, 2 Feb 2026 10:00:00 +0100\r\nIn-Reply-To: <p@x>\r\n"
    reading = read(plain("hi", subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=", head=head))
    assert (reading.subject, reading.from_name, reading.from_email) == ("Grüße", "Jane Doe", "jane@client.example")
    assert (reading.to, reading.cc) == (("desk@tubepost.example",), ("a@x.example", "b@x.example"))
    assert (reading.date, reading.message_id) == ("2026-02-02T09:00:00Z", "<letter@client.example>")
    assert reading.references == ("<p@x>",)


def test_hidden_recipients_are_read_where_the_sender_kept_them() -> None:
    assert read(plain("Hello.", head="Bcc: Ann <ann@a.example>, bob@b.example\r\n")).bcc == (
        "ann@a.example",
        "bob@b.example",
    )
    assert read(plain("Hello.")).bcc == ()


def test_the_preview_is_new_text_on_one_line() -> None:
    reading = read(plain("First\nsecond   line\n\n> quoted\n" + "x" * 500))
    assert reading.preview.startswith("First second line xxx")
    assert len(reading.preview) == 200


def test_the_same_bytes_give_the_same_reading() -> None:
    assert read(plain(GERMAN)) == read(plain(GERMAN))


def test_a_reading_of_headers_only_has_flags_and_a_reason() -> None:
    reading = read_headers(plain("Policy number: AB-12345", subject="Big one"))
    assert reading.flags == ("needs_review", "oversized")
    assert reading.subject == "Big one"
    assert (reading.text, reading.fields) == ("", {})
    assert reading.reason


def test_only_the_headers_of_mail_over_the_size_limit_are_read() -> None:
    assert read(plain("x" * 1000), limits=ReadingLimits(mail_bytes=500)).flags == ("needs_review", "oversized")


def test_an_empty_mail_has_a_reading() -> None:
    assert read(b"").flags == ("no_text",)
    assert read_headers(b"").subject == ""


def test_a_reason_has_no_mail_content() -> None:
    secret = "Zanzibar"
    reading = read(plain(f"{secret} " * 200_000))
    assert reading.flags == ("needs_review", "truncated")
    assert secret not in (reading.reason or "")

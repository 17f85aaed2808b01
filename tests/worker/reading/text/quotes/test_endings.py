"""Signatures and disclaimers are distinguished from what a person wrote, and their fields are still read."""

import pytest

from tests.worker.reading.mails import plain
from worker.reading import read
from worker.reading.text.quotes import split_regions


def parts(text: str) -> list[tuple[str, str]]:
    return [
        (region["kind"], text[region["start"] : region["end"]].strip()) for region in split_regions(text).publish(text)
    ]


def test_a_signature_begins_after_its_delimiter() -> None:
    assert parts("Please call.\n--\nAnn Lee\n+44 20 7946 0018") == [
        ("new", "Please call."),
        ("signature", "--\nAnn Lee\n+44 20 7946 0018"),
    ]


@pytest.mark.parametrize(
    "closing", ["Kind regards,", "Mit freundlichen Grüßen", "Cordialement", "С уважением,", "Z poważaniem"]
)
def test_a_closing_formula_above_a_few_short_lines_begins_a_signature(closing: str) -> None:
    assert parts(f"Please call.\n\n{closing}\nAnn Lee\nLee Ltd") == [
        ("new", "Please call."),
        ("signature", f"{closing}\nAnn Lee\nLee Ltd"),
    ]


def test_thanks_in_the_middle_or_alone_is_no_signature() -> None:
    long = (
        "and then we need the whole list of all the vehicles that were insured under the old policy by Friday, please"
    )
    assert parts(f"Hello\nThanks\n{long}") == [("new", f"Hello\nThanks\n{long}")]
    assert parts("Call me back.\nThanks") == [("new", "Call me back.\nThanks")]


@pytest.mark.parametrize(
    "line", ["Sent from my iPhone", "Von meinem iPhone gesendet", "Get Outlook for iOS", "Envoyé de mon iPad"]
)
def test_the_line_of_a_device_is_a_signature(line: str) -> None:
    assert parts(f"Yes, do it.\n\n{line}") == [("new", "Yes, do it."), ("signature", line)]


@pytest.mark.parametrize(
    "disclaimer",
    [
        "This e-mail and any attachments are confidential and intended solely for the addressee.",
        "If you are not the intended recipient, please delete this message.",
        "CONFIDENTIALITY NOTICE: it may be privileged.",
        "Diese E-Mail enthält vertrauliche Informationen und ist nur für den Adressaten bestimmt.",
        "Ce message est confidentiel et à l'attention exclusive du destinataire.",
        "Please consider the environment before printing this e-mail.",
    ],
)
def test_a_paragraph_with_the_words_of_a_disclaimer_is_one(disclaimer: str) -> None:
    assert parts(f"Please call.\n\nKind regards\nAnn\n\n{disclaimer}") == [
        ("new", "Please call."),
        ("signature", "Kind regards\nAnn"),
        ("disclaimer", disclaimer),
    ]


def test_a_banner_above_the_text_is_a_disclaimer() -> None:
    banner = "CAUTION: This email originated from outside of the organization."
    assert parts(f"{banner}\n\nPlease call.") == [("disclaimer", banner), ("new", "Please call.")]


def test_fields_of_a_signature_are_read_and_the_preview_has_none_of_it() -> None:
    reading = read(plain("Please call.\n\nKind regards\nAnn Lee\nPhone: +44 20 7946 0018"))
    assert reading.fields["phone"] == "+442079460018"
    assert reading.preview == "Please call."

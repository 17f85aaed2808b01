"""A forwarded mail is found in many languages, and says who sent it, when and about what."""

import pytest

from tests.worker.reading.mails import plain, with_file
from worker.reading import read
from worker.reading.text.quotes import split_regions
from worker.reading.text.quotes.forwards import subject_inside

HEADERS = {
    "en": "From: Ann Lee <Ann@a.example>\nSubject: Our claim\nDate: 2 Feb 2026\nTo: b@b.example",
    "da": "Fra: Ann Lee <Ann@a.example>\nEmne: Our claim\nDato: 2. feb. 2026 kl. 10.00\nTil: b@b.example",
    "no": "Fra: Ann Lee <Ann@a.example>\nEmne: Our claim\nDato: 2. februar 2026\nTil: b@b.example",
    "fi": "Lähettäjä: Ann Lee <Ann@a.example>\nAihe: Our claim\nPäivämäärä: 2.2.2026\nVastaanottaja: b@b.example",
    "hu": "Feladó: Ann Lee <Ann@a.example>\nTárgy: Our claim\nDátum: 2026. febr. 2.\nCímzett: b@b.example",
    "hr": "Od: Ann Lee <Ann@a.example>\nPredmet: Our claim\nDatum: 2. veljače 2026.\nPrima: b@b.example",
    "ro": "De la: Ann Lee <Ann@a.example>\nSubiect: Our claim\nDată: 2 februarie 2026\nCătre: b@b.example",
    "ru": "От: Ann Lee <Ann@a.example>\nТема: Our claim\nДата: 2 февраля 2026\nКому: b@b.example",
    "sk": "Od: Ann Lee <Ann@a.example>\nPredmet: Our claim\nDátum: 2. februára 2026\nKomu: b@b.example",
    "tr": "Kimden: Ann Lee <Ann@a.example>\nKonu: Our claim\nTarih: 2 Şubat 2026\nKime: b@b.example",
}
MARKS = [
    ("en", "Begin forwarded message:"),
    ("da", "Start på videresendt besked:"),
    ("no", "Videresendt melding:"),
    ("fi", "Välitetty viesti alkaa:"),
    ("hu", "Továbbított levél kezdete:"),
    ("hr", "Započni proslijeđenu poruku:"),
    ("ro", "Începe mesajul redirecționat:"),
    ("ru", "Начало переадресованного сообщения:"),
    ("sk", "Začiatok preposlanej správy:"),
    ("tr", "İleti başlangıcı:"),
    ("tr", "-------- İletilen İleti --------"),
    ("fi", "---------- Edelleenlähetetty viesti ---------"),
    ("ro", "-------- Mesaj redirecționat --------"),
]


@pytest.mark.parametrize(("language", "mark"), MARKS)
@pytest.mark.parametrize("prefix", ["", "> "])
def test_a_forwarded_mail_is_found_with_its_sender_date_and_subject(language: str, mark: str, prefix: str) -> None:
    below = f"{mark}\n\n{HEADERS[language]}\n\nPolicy: P-1"
    text = "FYI\n\n" + "\n".join((prefix + line).rstrip() for line in below.split("\n"))
    found = split_regions(text)
    assert [region["kind"] for region in found.publish(text)] == ["new", "forwarded"]
    assert found.forwarded is not None
    sent = found.forwarded.encode()
    assert (sent["from"], sent["subject"]) == ("Ann Lee <ann@a.example>", "Our claim")
    assert sent["date"].startswith("2")
    assert "P-1" in "".join(text[start:end] for start, end in found.spans("forwarded"))


@pytest.mark.parametrize(
    "subject",
    [
        "FW: X",
        "Fwd: X",
        "PD: X",
        "Redirecționat: X",
        "Redir.: X",
        "VB: X",
        "WG: X",
        "İLT: X",
        "[Fwd: X]",
        "[EXTERNAL] Fwd: X",
    ],
)
def test_a_prefix_of_the_subject_says_that_a_block_of_headers_is_forwarded(subject: str) -> None:
    text = f"see below\n\n{HEADERS['ro']}\n\nPolicy: P-1"
    assert [region["kind"] for region in split_regions(text, subject).publish(text)] == ["new", "forwarded"]
    assert [region["kind"] for region in split_regions(text, "Re: X").publish(text)] == ["new", "quoted"]


def test_an_attribution_under_a_forwarding_subject_names_the_sender() -> None:
    reading = read(
        plain('On 28/10/2025 12:46, "Ann Lee" <ann@a.example> wrote:\n\n    Policy Number: P-1234', "Fwd: Our claim")
    )
    assert reading.forwarded == {
        "from": "Ann Lee <ann@a.example>",
        "from_name": "Ann Lee",
        "from_email": "ann@a.example",
        "date": "28/10/2025 12:46",
        "subject": "Our claim",
    }
    assert reading.fields["policy_number"] == "P-1234"


@pytest.mark.parametrize("subject", ["Fwd: Our claim", "[Fwd: Our claim]", "[EXT] FW: Our claim", "WG: Our claim"])
def test_the_subject_without_its_prefix_is_that_of_the_forwarded_mail(subject: str) -> None:
    assert subject_inside(subject) == "Our claim"


def test_headers_in_one_line_are_read() -> None:
    text = (
        '  ----- Videresendt meddelelse ----- Fra: Ann Lee <ann@a.example>Til: "b@b.example" <b@b.example>'
        "Sendt: mandag den 2. februar 2026 09.26.50 CETEmne: Our claim\n Policy: P-1"
    )
    found = split_regions(text).forwarded
    assert found is not None
    assert (found.from_name, found.from_email, found.subject) == ("Ann Lee", "ann@a.example", "Our claim")
    assert found.date.startswith("mandag den 2. februar 2026")


def test_a_wrapped_subject_is_read_whole() -> None:
    text = (
        "---- Forwarded message ----\nFrom: a@a.example\nDate: 2 Feb 2026\nSubject: Some words that\ngo on\nTo: b\n\nx"
    )
    found = split_regions(text).forwarded
    assert found is not None
    assert found.subject == "Some words that go on"


def test_an_attached_mail_is_forwarded_too() -> None:
    attached = b"From: Ann Lee <ann@a.example>\r\nDate: Mon, 2 Feb 2026 10:00:00 +0100\r\nSubject: Our claim\r\n\r\nx"
    assert read(with_file("claim.eml", "message/rfc822", attached)).forwarded == {
        "from": "Ann Lee <ann@a.example>",
        "from_name": "Ann Lee",
        "from_email": "ann@a.example",
        "date": "Mon, 2 Feb 2026 10:00:00 +0100",
        "subject": "Our claim",
    }


def test_a_mail_that_forwards_nothing_has_no_forwarded_mail() -> None:
    assert read(plain("Policy Number: P-1234")).forwarded is None

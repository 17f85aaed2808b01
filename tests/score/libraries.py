"""Finds values with the libraries alone, without labels or rules: what a short script reaches.

They say that something is a date or a telephone number, never which field it is. So a found value counts as right if
the mail has it in any field of that type. They are told the mail's language; the reading of mail is not.
"""

import re
import warnings
from collections.abc import Iterable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BytesIO
from typing import Any, cast

import phonenumbers
from dateparser.search import search_dates
from openpyxl import load_workbook
from pypdf import PdfReader
from selectolax.lexbor import LexborHTMLParser

from tests.score.comparison import Score, comparable
from tests.score.labelled import LabelledMail

#: Types of which a library finds values; no library of ours finds references, names or amounts in a text.
TYPES = ("date", "phone", "email")

_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
#: Languages that dateparser has under another name.
_NAMES = {"no": "nb"}


def score_libraries(mails: Iterable[LabelledMail]) -> Score:
    """Search each mail with the libraries; the tallies are by type."""
    score = Score()
    for mail in mails:
        text = _text(mail.raw)
        found = {"date": _dates(text, mail.name), "phone": _phones(text), "email": _addresses(text)}
        for kind in TYPES:
            expected = {comparable(mail.expected[name]) for name in mail.expected if mail.types[name] == kind}
            optional = {comparable(mail.optional[name]) for name in mail.optional if mail.types[name] == kind}
            values = {comparable(value) for value in found[kind]}
            for value in sorted(expected | (values - optional)):
                one = value if value in expected else None
                score.note(
                    kind, mail.name, one, value if value in values else None, is_right=value in expected & values
                )
    return score


def _text(raw: bytes) -> str:
    """Return the text of a mail and of its files."""
    message = cast(EmailMessage, message_from_bytes(raw, policy=policy.default))
    return "\n".join([str(message["subject"]), *_texts(message)])


def _texts(message: EmailMessage) -> Iterator[str]:
    body = message.get_body(preferencelist=("plain", "html"))
    for part in message.walk():
        kind = part.get_content_type()
        content: Any = None if part.is_multipart() else part.get_content()
        if kind == "application/pdf":
            yield from (page.extract_text() for page in PdfReader(BytesIO(content)).pages)
        elif kind.endswith("spreadsheetml.sheet"):
            for sheet in load_workbook(BytesIO(content), read_only=True).worksheets:
                yield from (" ".join(str(cell) for cell in row if cell is not None) for row in sheet.values)
        elif part is body or kind == "text/csv":
            page = LexborHTMLParser(content).body if kind == "text/html" else None
            yield page.text(separator=" ") if page else content


def _dates(text: str, name: str) -> list[str]:
    """Return what dateparser finds in the mail's language, which is the first part of its name."""
    language = name.partition("-")[0]
    settings: Any = {"REQUIRE_PARTS": ["day", "month", "year"], "STRICT_PARSING": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = search_dates(text, languages=[_NAMES.get(language, language)], settings=settings)
    return [moment.date().isoformat() for _, moment in found or ()]


def _phones(text: str) -> list[str]:
    found = []
    for match in phonenumbers.PhoneNumberMatcher(text, None):
        number = phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
        found.append(number + (f";ext={match.number.extension}" if match.number.extension else ""))
    return found


def _addresses(text: str) -> list[str]:
    return [address.lower() for address in _ADDRESS.findall(text)]

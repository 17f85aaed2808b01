"""Finds values that are words: text, names, references and mail addresses."""

import re

from worker.reading.fields.values.currencies import PLACES
from worker.reading.fields.values.value import Readings

#: Characters of a name and of a reference.
MAX_NAME = 100
MAX_REFERENCE = 64
#: Characters of a word that says nothing about whether a text is a name.
SMALL_WORD = 3

_EDGES = " \t\n*_`|;,>"
#: A dash before the next label, and the full stop of a sentence after digits.
_TAIL = re.compile(r"(?:\s{1,3}[-–—/]{1,2}\s{0,3}|(?<=\d\d)\.)$")
#: Opening quote → the closing quotes that fit it.
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“”", "«": "»", "»": "«", "‘": "’", "‚": "‘’", "”": "”", "「": "」"}
_LETTERS = "A-Za-z0-9À-ÖØ-öø-ɏͰ-ϿЀ-ӿ"
_REFERENCE = re.compile(rf"[#№]?\s?([{_LETTERS}](?:[{_LETTERS}]|[-._/:+](?=[{_LETTERS}])){{0,63}})")
_PREFIXED = re.compile(r"([A-Z]{1,6})\s((?:\d[A-Z0-9]*(?:[-/.]\w{1,20})*))(?![\w])")
#: The numbers of parcels, also in a sentence: `RT 8810 2293 GB`.
_PARCEL = re.compile(r"[A-Z]{1,3}\s\d{4}(?:\s\d{4}){1,4}(?:\s[A-Z]{2})?(?!\w)")
_GROUPS = re.compile(r"\d{2,}(?:\s\d{2,}){1,6}(?![\w/-]|[.,]\w)")
#: Short groups that fill the rest: `1Z 999 AA1 01 2345 6784`.
_BLOCKS = re.compile(r"[A-Z0-9]{1,6}(?: [A-Z0-9]{1,6}){2,8}(?=[\s.,;)*_]{0,20}$)")
#: A joined token and groups of digits that fill the rest: `HG-30 118 552`.
_JOINED_GROUPS = re.compile(
    r"[A-Z0-9]{1,8}(?:[-/.][A-Z0-9]{1,12}){0,3}[-/.]\d{1,12}(?: \d{3,6}){1,4}(?=[\s,.;)*_]{0,20}$)"
)
#: A word for "number" that stuck to its value, as where a page puts them side by side: `NumberKH-2026-00417`.
_STUCK = re.compile(r"(?:Number|Nummer|Numero|Número|Nr|No)\.?:?(?=[A-Z]{0,5}-?\d)")
#: What has digits and is no reference: dates, times, ordinals, counts, amounts.
_NO_REFERENCE = re.compile(
    r"\d{1,2}[./]\d{1,2}[./](?:\d\d){1,2}|(?:19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1\d\d?|\d{1,2}:\d\d(?::\d\d)?|\d{1,2}/\d{1,2}"
    r"|\d+(?:st|nd|rd|th|x|pcs|kg|h)|\d{1,3}-[a-z]{3,}|\d{1,3}\.\d{2}",
    re.IGNORECASE,
)
_NO_REFERENCE_AFTER = re.compile(r"[,.]\d|\s?%")
_CAPITAL_WORDS = """
    URGENT CANCELLED CANCELED CONFIRMED ENCLOSED ATTACHED PAID UNPAID OPEN CLOSED SHIPPED RECEIVED REJECTED APPROVED
"""
_CAPITALS = frozenset(_CAPITAL_WORDS.split())
_EMAIL = re.compile(r"[A-Za-z0-9._%+'&-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24}(?![\w-])")
#: Greetings and closings stand alone on a line, as names do.
_NO_NAME = re.compile(
    r"(?:(?:best|kind|warm|many|mit|med|with|con|com|z|s)\s|regards|thank|sincerely|yours|cheers|dear|hello|hi\b|hey"
    r"|please|viele|liebe|freundliche|sehr geehrte|hallo|guten|cordialement|bien à|bonjour|merci|saludos|hola"
    r"|atentamente|cordiali|gentile|grazie|groet|beste|geachte|atenciosamente|obrigad|pozdrawiam|dzień|hälsningar|hej|vennlig|venlig"
    r"|ystävällisin|saygılar|merhaba|sayın|n/a\b|yes\b|no\b)",
    re.IGNORECASE,
)
#: A telephone number or a mail address behind a name.
_REACHED = re.compile(
    r"\s{0,3}[,;/|–-]\s{0,3}(?:(?:tel|phone|mob|mobile|telefon|cell|tlf|tél)\b|\+?\(?\d[\d\s()./-]{6,}|[\w.+-]{1,64}@)",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"(?<!\s)\s*[<(\[][^<>()\[\]]{0,200}[>)\]]?\s*$")


def find_text(text: str) -> Readings | None:
    """Return all of it, without quotes around it and without marks of a list or of emphasis."""
    return _trimmed(text, len(text))


def find_name(text: str) -> Readings | None:
    """Return the name of a person or a company; a sentence is none."""
    cut = _REACHED.search(text) or _IN_BRACKETS.search(text)
    found = _trimmed(text, cut.start() if cut else len(text))
    if found is None:
        return None
    value = found.values[0]
    if len(value) > MAX_NAME or "@" in value or "://" in value or value.endswith(("?", ":")) or _NO_NAME.match(value):
        return None
    letters = sum(map(str.isalpha, value))
    digits = sum(map(str.isdigit, value))
    if letters < 2 or letters <= 2 * digits:
        return None
    words = value.split()
    capital = sum(word[0].isupper() for word in words)
    # Names of more than four words have capitals; a sentence ("we would like to …") does not. "de", "sp. z o.o." and
    # the like stand in names as they do in sentences.
    small = sum(1 for word in words if word[0].islower() and len(word.rstrip(".")) <= SMALL_WORD)
    has_capitals = capital >= 2 and 2 * capital >= len(words) - small
    return found if len(words) <= 4 or (len(words) <= 12 and has_capitals) else None


def find_reference(text: str) -> Readings | None:
    """Return a token with a digit, or with capitals only; `AB 1234` and `12 345 678` are one reference."""
    found = _trimmed(text, len(text))
    if found is None:
        return None
    start = found.start
    if stuck := _STUCK.match(text, start):
        start = stuck.end()
    if (blocks := _BLOCKS.match(text, start)) and 2 * sum(map(str.isdigit, blocks[0])) > len(blocks[0]) - blocks[
        0
    ].count(" "):
        return Readings(start, blocks.end(), (blocks[0],))
    if parcel := _PARCEL.match(text, start):
        return Readings(start, parcel.end(), (parcel[0],))
    if (prefixed := _PREFIXED.match(text, start)) and not (prefixed[1] in PLACES and len(prefixed[2]) < 6):
        return Readings(start, prefixed.end(), (prefixed[0],))
    groups = _GROUPS.match(text, start) or _JOINED_GROUPS.match(text, start)
    if groups and not _NO_REFERENCE.fullmatch(groups[0].partition(" ")[0]):
        return Readings(start, groups.end(), (groups[0],))
    return _token(text, start, found.end)


def _token(text: str, start: int, end: int) -> Readings | None:
    found = _REFERENCE.match(text, start)
    if found is None or len(found[1]) > MAX_REFERENCE or text[found.end() : found.end() + 1] == "@":
        return None
    word = found[1]
    if _NO_REFERENCE.fullmatch(word) or _NO_REFERENCE_AFTER.match(text, found.end()):
        return None
    if len(word) < 4 and word.isdigit() and text[found.end() : end].strip()[:1].isalpha():
        return None  # "12 chairs"
    is_alone = found.end() >= end
    if any(map(str.isdigit, word)) or (is_alone and len(word) >= 4 and word.isupper() and word not in _CAPITALS):
        return Readings(found.start(1), found.end(1), (word,))
    return None


def find_email(text: str) -> Readings | None:
    """Return the first mail address, in lower case."""
    found = _EMAIL.search(text)
    return Readings(found.start(), found.end(), (found[0].lower(),)) if found else None


def _trimmed(text: str, end: int) -> Readings | None:
    value = text[:end].lstrip(_EDGES)
    start = end - len(value)
    value = _TAIL.sub("", value.rstrip(_EDGES))
    while value[:1] in _QUOTES and value:
        closing, inside = _QUOTES[value[0]], value[1:-1]
        if len(value) > 1 and value[-1] in closing and not any(mark in inside for mark in closing + value[0]):
            value, start = inside, start + 1
        elif any(mark in value[1:] for mark in closing):
            break  # the quotes are a part of it: "Blue" Ltd
        else:
            value, start = value[1:], start + 1
        shift = len(value) - len(value.lstrip(_EDGES))
        value, start = value.strip(_EDGES), start + shift
    return Readings(start, start + len(value), (value,)) if any(map(str.isalnum, value)) else None

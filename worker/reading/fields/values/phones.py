"""Finds telephone numbers, in the form of E.164 with the extension of RFC 3966."""

import re

from worker.reading.fields.values.value import Readings

_NUMBER = re.compile(r"\+?\(?\d[\d\s()./–-]{4,28}\d")
_EXTENSION = re.compile(
    r"\s?(?:;ext=|[,;]?\s?\(?(?:ext(?:ension|n)?|x|durchwahl|dw|poste|int(?:erno)?|toestel|anknytning|lokal|ramal|wew|dahili"
    r"|linka|alanumero|εσωτ|内線|#)[.:]?\s?)(\d{1,7})(?!\d)\)?",
    re.IGNORECASE,
)
#: Between two numbers that are written one after the other.
_NEXT = re.compile(r"\s[/–-]\s|\s{3,}|\s(?=\+)")


def find_phone(text: str, region: str | None) -> Readings | None:
    """Return the first number. Without a country code and without a *region* it is in doubt."""
    found = _NUMBER.search(text)
    if found is None:
        return None
    written, extension = found[0], _EXTENSION.match(text, found.end())
    if region is None and not written.startswith(("+", "00", "(+", "(00")):
        return Readings(found.start(), found.end(), ()) if sum(map(str.isdigit, written)) >= 7 else None
    if number := _normal_form(written, region):
        end = extension.end() if extension else found.end()
        return Readings(found.start(), end, (number + (f";ext={extension[1]}" if extension else ""),))
    if (cut := _NEXT.search(written)) and (number := _normal_form(written[: cut.start()], region)):
        return Readings(found.start(), found.start() + cut.start(), (number,))
    return None


def _normal_form(written: str, region: str | None) -> str | None:
    import phonenumbers  # slow to import, and most mail has no phone number

    digits = written.lstrip("(")
    international = "+" + digits[2:] if region is None and digits.startswith("00") else written
    try:
        number = phonenumbers.parse(international, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

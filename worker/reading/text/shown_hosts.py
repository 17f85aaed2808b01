"""Finds the hosts that a reader sees in a text: in addresses of pages and of mail, and as bare names.

A word is more often the name of a file, or two sentences without a blank, than a host when it looks like `report.pdf`,
`The end.Next` or `J.Smith`. All other names with a dot count, whatever stands beside them: a wrong mark does no harm.
"""

import re
import unicodedata
from collections.abc import Iterator

from worker.reading.text.links import visible

#: Characters that one font shows as a blank and another one not at all: both readings are tried.
_DOUBTFUL = re.compile("[\u115f\u1160\u200a\u3164\uffa0]")
#: A blank pattern of Braille, and characters that look like a dot.
_LOOKALIKES = str.maketrans({0x2800: " "} | dict.fromkeys(map(ord, "\u0660\u06f0\u0701\u0702\ua4f8\ua60e"), "."))
#: Control characters take no room.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
#: The end of a sentence in Chinese or Japanese: the text continues without a blank.
_CJK = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_CJK_STOP = re.compile(f"(?<={_CJK})\u3002(?={_CJK})")
_DOTS = re.compile(r"\.{2,}")

#: The authority of an address with a scheme; the rest up to the next blank belongs to it.
_ADDRESS = r"https?:[/\\]+(?P<authority>[^\s/\\?#\"<>()\[\]{},;|]+)\S*"
#: A bare name, perhaps after the local part of a mail address, and perhaps with a port and a path. No quantifier can
#: give back what it took, and no match begins inside of a name, so that the time is in proportion to the text.
_NAME = (
    r"(?<![\w.-])[.-]*+(?:[\w.-]++@)?(?P<name>(?:[\w-]++\.)+(?!https?:[/\\])(?:xn--[\w-]++|[^\W\d_]{2,24}(?![^\W\d_])))"
    r"(?P<digits>\d*)(?::\d+)?(?:[/\\?#]\S*)?"
)
_HOST = re.compile(f"{_ADDRESS}|{_NAME}", re.IGNORECASE)
_HOST_CHARACTERS = re.compile(r"\w[\w.-]*")

_FILE_NAMES = """
    avi bmp csv doc docx eml gif gz heic htm html ics jpeg jpg js json key md mov mp3 mp4 msg odp ods odt pdf png pps
    ppt pptx rar rtf svg tar tif tiff txt vcf wav webm webp xls xlsm xlsx xml zip
"""
#: Last labels of a text that is more often the name of a file than of a host.
_FILES = frozenset(_FILE_NAMES.split())
#: Last labels, besides those of two letters, that are a host's even where a new sentence may begin.
_COMMON = frozenset({"app", "biz", "com", "dev", "edu", "gov", "info", "int", "mil", "net", "online", "org", "shop"})


def shown_hosts(text: str) -> Iterator[str]:
    """Yield the hosts that a reader of the text sees, in lower case and without variants of letters."""
    if text.isascii() and "." not in text and "//" not in text:
        return
    readings = {_DOUBTFUL.sub(blank, text) for blank in (" ", "")} if _DOUBTFUL.search(text) else (text,)
    for reading in readings:
        yield from _hosts_in(_as_seen(reading))


def _as_seen(text: str) -> str:
    """Return the text as a reader sees it: without what takes no room, and with one kind of dot and letter."""
    seen = text if text.isprintable() else _CONTROLS.sub("", text)
    if not seen.isascii():
        seen = visible(seen.translate(_LOOKALIKES))
        seen = _CJK_STOP.sub(" ", seen).replace("\u3002", ".")
        # Marks over or under a letter, which belong to no letter of its own: to the eye it is still this letter.
        seen = "".join(character for character in seen if unicodedata.category(character) not in ("Mn", "Me"))
    return _DOTS.sub(" ", seen) if ".." in seen else seen


def _hosts_in(seen: str) -> Iterator[str]:
    words = seen.split()
    is_alone = _is_one(words)
    for word in words:
        if "." not in word and ":" not in word:
            continue
        for found in _HOST.finditer(word):
            if found["authority"]:
                yield from _hosts_of_authority(found["authority"].lower())
            elif _is_host(found["name"], found["digits"], is_alone=is_alone):
                yield found["name"].lower().strip("_-")


def _is_one(words: list[str]) -> bool:
    """Return whether only one of these has a letter or a digit."""
    real = (word for word in words if word.isalnum() or any(map(str.isalnum, word)))
    return next(real, None) is not None and next(real, None) is None


def _hosts_of_authority(authority: str) -> Iterator[str]:
    """Yield the host, and names before an "@" that a reader takes for the host."""
    *names, host = (_HOST_CHARACTERS.search(part.partition(":")[0]) for part in authority.split("@"))
    yield from (name[0].strip(".-") for name in names if name and "." in name[0])
    if host:
        yield host[0].strip(".-")


def _is_host(name: str, digits: str, *, is_alone: bool) -> bool:
    """Return whether a name with dots is a host, and no file, new sentence or person."""
    *labels, last = name.split(".")
    if labels[0].lower() == "www":
        return True
    if (last + digits).lower() in _FILES:
        return False
    is_title = last[0].isupper() and not last.isupper()
    if is_alone or not is_title or len(last) == 2 or last.lower() in _COMMON:
        return True
    begins_sentence = len(labels) == 1 and not labels[0][0].isupper()
    return not begins_sentence and any(len(label) > 1 for label in labels)

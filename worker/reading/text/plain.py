"""Makes the frozen text: what a person reads of a mail; evidence offsets point into it."""

import re
from bisect import bisect_left

from worker.reading.mime.characters import plain_characters

_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_DATA_URI = re.compile(
    r"data:[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,60}(?:;[a-z0-9=.+-]{1,60}){0,3},"
    r"[A-Za-z0-9+/=%_-]*+(?:[ \t]{0,8}\r?\n[ \t]{0,8}[A-Za-z0-9+/=]{60,100}+(?=[ \t\r\n]))*+",
    re.IGNORECASE,
)
_EMPTY_LINES = re.compile(r"\n{4,}")
_LONG_BLANKS = re.compile(r" {200,}")


def normalize_text(text: str, max_characters: int) -> tuple[str, bool]:
    """Return (text with LF lines, plain blanks and hyphens, no controls, no data: URIs; whether it was truncated)."""
    if len(text) > max_characters:
        text = without_data_uris(text)  # before the size counts
    cut = len(text) > 2 * max_characters
    text = text[: 2 * max_characters]
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = plain_characters(text)
    if not text.replace("\n", "").replace("\t", "").isprintable():
        text = _CONTROLS.sub("", text)
    text = without_data_uris(text)
    if "  " in text:
        text = _LONG_BLANKS.sub(" ", text)
    text = "\n".join([line.rstrip() for line in text.split("\n")])
    if "\n\n\n\n" in text:
        text = _EMPTY_LINES.sub("\n\n\n", text)
    text = text.strip("\n")
    return text[:max_characters], cut or len(text) > max_characters


def without_data_uris(text: str) -> str:
    """Return the text without the content of `data:` URIs."""
    return _DATA_URI.sub("", text) if "data:" in text else text


def unflow(text: str, delete_space: bool) -> str:
    """Join format=flowed lines (RFC 3676): a line that ends with a blank continues in the next of its quote depth."""
    out: list[str] = []
    open_depth = -1
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        soft = content.endswith(" ") and content != "-- "
        if depth == open_depth:
            out.append(content)
        else:
            out += ["\n" if out else "", ">" * depth + (" " if depth else ""), content]
        if soft and delete_space:
            out[-1] = out[-1][:-1]
        if not soft:
            open_depth = -1
            continue
        open_depth = depth
    return "".join(out)


class Utf16Offsets:
    """Offsets of one text in UTF-16 code units, as a page's scripts count."""

    def __init__(self, text: str) -> None:
        # Most mail has only characters of the basic plane; then both counts are equal.
        self._wide = [] if text.isascii() else [match.start() for match in _WIDE.finditer(text)]

    def __call__(self, offset: int) -> int:
        return offset + bisect_left(self._wide, offset) if self._wide else offset


_WIDE = re.compile("[\U00010000-\U0010ffff]")

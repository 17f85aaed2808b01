"""The frozen text: what a person reads of a mail and what evidence offsets point into."""

import re
from bisect import bisect_left

#: Blanks of other widths, hyphens of other kinds, and characters that have no width.
_EXOTIC = {
    **dict.fromkeys(
        map(
            ord,
            "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\x0b\x0c",
        ),
        " ",
    ),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\ufe63\uff0d"), "-"),
    **dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff\u034f"), None),
    ord("\u2028"): "\n",
    ord("\u2029"): "\n",
    ord("\x85"): "\n",
}
_HAS_EXOTIC = re.compile(f"[{''.join(map(chr, _EXOTIC))}]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_DATA_URI = re.compile(
    r"data:[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,60}(?:;[a-z0-9=.+-]{1,60}){0,3},[A-Za-z0-9+/=%_-]*", re.IGNORECASE
)
_EMPTY_LINES = re.compile(r"\n{4,}")
_LONG_BLANKS = re.compile(r" {200,}")


def normalised(text: str, most: int) -> tuple[str, bool]:
    """(text with LF lines, plain blanks and hyphens, no controls and no data: URIs; whether something was cut off)."""
    cut = len(text) > 2 * most
    text = text[: 2 * most]
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii() or "\x0b" in text or "\x0c" in text:
        text = text.translate(_EXOTIC) if _HAS_EXOTIC.search(text) else text
    if not text.replace("\n", "").replace("\t", "").isprintable():
        text = _CONTROLS.sub("", text)
    if "data:" in text:
        text = _DATA_URI.sub("", text)
    if "  " in text:
        text = _LONG_BLANKS.sub(" ", text)
    text = "\n".join([line.rstrip() for line in text.split("\n")])
    if "\n\n\n\n" in text:
        text = _EMPTY_LINES.sub("\n\n\n", text)
    text = text.strip("\n")
    return text[:most], cut or len(text) > most


def unflow(text: str, delete_space: bool) -> str:
    """format=flowed (RFC 3676): lines that end with a blank go on in the next one of the same quote depth."""
    out: list[str] = []
    open_depth = -1
    for line in text.replace("\r\n", "\n").split("\n"):
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


class Utf16:
    """Offsets of one text in UTF-16 code units, as a page's scripts count."""

    def __init__(self, text: str) -> None:
        # Most mail has nothing beyond the basic plane; then both counts agree.
        self._wide = [] if text.isascii() else [match.start() for match in _WIDE.finditer(text)]

    def __call__(self, offset: int) -> int:
        return offset + bisect_left(self._wide, offset) if self._wide else offset


_WIDE = re.compile("[\U00010000-\U0010ffff]")

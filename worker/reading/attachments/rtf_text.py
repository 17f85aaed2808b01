"""Reads the text of Rich Text documents."""

import re
from collections.abc import Iterator

from worker.reading.limits import ReadingLimits

#: Bytes that are read, and fonts: with more the library looks for the end of each over the whole document.
MAX_BYTES, MAX_FONTS = 512 * 1024, 500

#: The library looks for the target of a link up to the end of the line, again for each beginning of a field or a font.
#: So targets, which are no text, are removed, and each beginning gets a line of its own; line ends mean nothing here.
_LINK = re.compile(rb"HYPERLINK", re.IGNORECASE)
_BEGINNING = re.compile(rb"(?=\{\\field|\\f\d)", re.IGNORECASE)
_FONT = re.compile(rb"\\fcharset", re.IGNORECASE)
#: Pictures and embedded objects: their hexadecimal digits are no text.
_PICTURE = re.compile(rb"\\(?:pict|objdata)\b[^{}]{0,4000000}")


def rtf_text(content: bytes, _limits: ReadingLimits) -> Iterator[str]:
    """Yield the text; cells of tables with tabs."""
    from striprtf.striprtf import rtf_to_text  # rarely needed

    content = _PICTURE.sub(b"", content[: 8 * MAX_BYTES])[:MAX_BYTES]
    content = _BEGINNING.sub(b"\n", _LINK.sub(b"", content))
    if len(_FONT.findall(content)) > MAX_FONTS:
        content = _FONT.sub(b"", content)
    text: str = rtf_to_text(content.decode("latin-1"), errors="replace")  # type: ignore[no-untyped-call]
    yield text.replace("|", "\t")

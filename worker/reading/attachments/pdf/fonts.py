"""Has the library read each font of a PDF once, after what that costs was taken.

The library reads all fonts of a page or form again each time it draws it. A character map may be very small and fill
a table of 100,000 characters, or give hundreds of characters for one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from worker.reading.attachments.library_guard import TOO_COMPLEX, UnreadableError
from worker.reading.attachments.work import Work

#: Characters that one byte of a string may become: ligatures are two or three.
MAX_EXPANSION = 8

#: Units of work for each font, for what makes the library split a character map, and for each of its entries.
_FONT, _SPLIT, _ENTRY = 100, 1.0, 4.0
_SPLITTING = (b"<", b"[", b"]", b"\n", b"\r")


@contextmanager
def counted_fonts(work: Work) -> Iterator[None]:
    """Have the library read fonts within *work*."""
    from pypdf.generic import _font

    fonts: Any = _font.Font
    library, read = fonts.__dict__["from_font_resource"], fonts.from_font_resource
    known: dict[int, tuple[Any, Any]] = {}

    def load(resource: Any) -> Any:
        if id(resource) not in known:
            work.take(_FONT + _map_cost(resource))
            font = read(resource)
            work.take(_ENTRY * (len(font.character_map) + len(font.character_widths)))
            if max(map(len, font.character_map.values()), default=0) > MAX_EXPANSION:
                raise UnreadableError(TOO_COMPLEX)
            known[id(resource)] = resource, font  # with the resource, so that no other object gets its id
        return known[id(resource)][1]

    fonts.from_font_resource = staticmethod(load)
    try:
        yield
    finally:
        fonts.from_font_resource = library


def _map_cost(resource: Any) -> float:
    """Return the units for the text of a font's character map."""
    found = resource.get("/ToUnicode")
    found = found.get_object() if hasattr(found, "get_object") else found
    if not hasattr(found, "get_data"):
        return 0
    data: bytes = found.get_data()
    return _SPLIT * sum(map(data.count, _SPLITTING))

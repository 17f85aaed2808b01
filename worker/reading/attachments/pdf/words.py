"""Keeps the words of one page of a PDF with their places and about their widths."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple
from unicodedata import east_asian_width

from worker.reading.attachments.work import Work

#: Units of work for each word that is compared with the place of a field.
_COMPARED = 0.5

#: Points by which words may stand above or below the middle of a field in its line, and above a field as its heading.
_IN_LINE, _ABOVE = 8.0, 24.0

#: Characters of a word whose widths count: no cell is longer.
_LONG = 200
#: Widths of a font that are looked at, and the mean of those of common fonts, in sizes of a letter.
_WIDTHS, _MEAN_WIDTH = 256, 0.55
#: What the objects of the library raise for a broken font or field, beside its own error.
ERRORS = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError)


class Word(NamedTuple):
    """A piece of text, where it begins, about where it ends, and the size of its letters, in points."""

    x: float
    y: float
    end: float
    size: float
    text: str


class PageWords:
    """The words of one page, as `visitor_text` of pypdf gives them."""

    def __init__(self, work: Work) -> None:
        self._work = work
        #: Height in whole points → words.
        self._by_height: dict[int, list[Word]] = {}
        #: Id of a font → the font, so that no other one gets its id, and how much wider it is than common fonts.
        self._fonts: dict[int, tuple[Any, float]] = {}

    def add(self, text: str, matrix: list[float], position: list[float], font: Any, size: float) -> None:
        """Add a piece of text that the page draws."""
        text = text.strip()
        if text:
            x = position[4] * matrix[0] + position[5] * matrix[2] + matrix[4]
            y = position[4] * matrix[1] + position[5] * matrix[3] + matrix[5]
            size = abs(size * position[0] * matrix[0])
            if abs(x) < 1e6 and abs(y) < 1e6 and size < 1e6:
                end = x + size * self._font_width(font) * _width(text)
                self._by_height.setdefault(int(y), []).append(Word(x, y, end, size, text))

    def all(self, most: int) -> list[Word]:
        """Return the words from the top of the page to its end, or none where there are more than *most*."""
        words = [word for found in self._by_height.values() for word in found]
        self._work.take(len(words))
        return sorted(words, key=lambda word: (-word.y, word.x)) if len(words) <= most else []

    def label(self, left: float, bottom: float, right: float, top: float) -> str:
        """Return the words to the left of a rectangle, else those above it; "" without either."""
        middle = (bottom + top) / 2
        beside = [(word.x, word.text) for word in self._between(middle - _IN_LINE, middle + _IN_LINE) if word.x < left]
        if beside:
            return max(beside)[1]
        above = [word for word in self._between(top, top + _ABOVE) if left - _ABOVE < word.x < right]
        return min(above, key=lambda word: word.y).text if above else ""

    def _font_width(self, font: Any) -> float:
        if (known := self._fonts.get(id(font))) is None:
            self._work.take(_WIDTHS)
            widths: list[float] = []
            with suppress(*ERRORS):
                widths = [float(width) for width in islice(_widths(font), _WIDTHS) if width > 0]
            mean = sum(widths) / len(widths) / 1000 if widths else _MEAN_WIDTH
            known = self._fonts[id(font)] = font, min(max(mean / _MEAN_WIDTH, 0.5), 2.0)
        return known[1]

    def _between(self, low: float, high: float) -> Iterator[Word]:
        for height in range(int(low) - 1, int(high) + 2):
            words = self._by_height.get(height, [])
            self._work.take(_COMPARED * len(words))
            yield from (each for each in words if low <= each.y <= high)


def _widths(font: Any) -> Iterator[Any]:
    """Yield the widths of the glyphs of a simple font, or those that a composite font lists one by one."""
    if "/Widths" in font:
        yield from font["/Widths"].get_object()
    elif "/DescendantFonts" in font:
        for each in font["/DescendantFonts"].get_object()[0].get_object().get("/W", ()).get_object():
            found = each.get_object()
            yield from found if isinstance(found, list) else ()


def _width(text: str) -> float:
    """Return about how wide a text is in a common font, in sizes of a letter."""
    return sum(
        1.0 if east_asian_width(sign) in "WF" else 0.65 if sign.isupper() else 0.46 if sign.isalnum() else 0.28
        for sign in text[:_LONG]
    )

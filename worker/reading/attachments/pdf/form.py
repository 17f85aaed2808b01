"""Reads the filled fields of a form in a PDF, each with the words beside it, which people take for its label."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from worker.reading.attachments.work import Work

#: Fields of one page that are read, characters of a value, and levels of names.
MAX_WIDGETS, MAX_VALUE, MAX_PARENTS = 500, 4_000, 20

#: What the objects of the library raise for a broken field, beside its own error.
ERRORS = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError)

#: Units of work for each word that is compared with the place of a field.
_COMPARED = 0.5

#: Points by which words may stand above or below the middle of a field in its line, and above a field as its heading.
_IN_LINE, _ABOVE = 8.0, 24.0


class PageWords:
    """The words of one page with their places, as `visitor_text` of pypdf gives them."""

    def __init__(self, work: Work) -> None:
        self._work = work
        #: Height in whole points → (x, y, text).
        self._by_height: dict[int, list[tuple[float, float, str]]] = {}

    def add(self, text: str, matrix: list[float], position: list[float], *_: object) -> None:
        """Add a piece of text that the page draws."""
        text = text.strip()
        if text:
            x = position[4] * matrix[0] + position[5] * matrix[2] + matrix[4]
            y = position[4] * matrix[1] + position[5] * matrix[3] + matrix[5]
            if abs(y) < 1e6:
                self._by_height.setdefault(int(y), []).append((x, y, text))

    def label(self, left: float, bottom: float, right: float, top: float) -> str:
        """Return the words to the left of a rectangle, else those above it; "" without either."""
        middle = (bottom + top) / 2
        beside = [(x, text) for x, y, text in self._between(middle - _IN_LINE, middle + _IN_LINE) if x < left]
        if beside:
            return max(beside)[1]
        above = [(-y, text) for x, y, text in self._between(top, top + _ABOVE) if left - _ABOVE < x < right]
        return min(above, key=lambda each: -each[0])[1] if above else ""

    def _between(self, low: float, high: float) -> Iterator[tuple[float, float, str]]:
        for height in range(int(low) - 1, int(high) + 2):
            words = self._by_height.get(height, [])
            self._work.take(_COMPARED * len(words))
            yield from (each for each in words if low <= each[1] <= high)


def form_text(page: Any, words: PageWords) -> Iterator[str]:
    """Yield a line `label: value` for each filled field of the page; one that is broken is left out."""
    from pypdf.errors import PdfReadError  # imported by then

    errors = (*ERRORS, PdfReadError)
    try:
        annotations = page.get("/Annots")
        annotations = list(annotations.get_object() if annotations is not None else [])
    except errors:
        return
    for annotation in annotations[:MAX_WIDGETS]:
        with suppress(*errors):
            yield _field_line(annotation.get_object(), words)


def _field_line(widget: Any, words: PageWords) -> str:
    """Return the line of one field; "" for one without a value."""
    if widget.get("/Subtype") != "/Widget" or not (value := _value(widget)):
        return ""
    label = ""
    with suppress(*ERRORS):  # a field with a broken place still has its name
        rectangle = [float(each) for each in widget.get("/Rect", ())]
        label = words.label(*_sorted(rectangle)) if len(rectangle) == 4 else ""
    return f"{(label or _name(widget)).rstrip(' :')}: {value}\n"


def _sorted(rectangle: list[float]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = rectangle
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _value(widget: Any) -> str:
    """Return what a person chose or wrote; a box that is not ticked has no value."""
    kind, value = _inherited(widget, "/FT"), _inherited(widget, "/V")
    if kind == "/Btn":
        state = widget.get("/AS") or value
        chosen = str(state or "/Off").lstrip("/")
        return "" if chosen == "Off" else chosen
    if isinstance(value, list):
        value = ", ".join(str(each) for each in value[:50])
    return " ".join(str(value if value is not None else "")[:MAX_VALUE].split())


def _name(widget: Any) -> str:
    """Return the field's description for people, else its name, as words."""
    name = _inherited(widget, "/TU") or _inherited(widget, "/T") or ""
    return re.sub(r"[_.]+", " ", str(name)[:200]).strip()


def _inherited(widget: Any, key: str) -> Any:
    for _ in range(MAX_PARENTS):
        value = widget.get(key)
        if value is not None:
            return value.get_object() if hasattr(value, "get_object") else value
        parent = widget.get("/Parent")
        if parent is None:
            return None
        widget = parent.get_object()
    return None

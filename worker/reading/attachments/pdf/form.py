"""Reads the filled fields of a form in a PDF, each with the words beside it, which people take for its label."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from worker.reading.attachments.pdf.words import ERRORS, PageWords

#: Fields of one page that are read, characters of a value, and levels of names.
MAX_WIDGETS, MAX_VALUE, MAX_PARENTS = 500, 4_000, 20


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

"""Says what a form control of an HTML mail shows: forms are sent with the values in their fields."""

import re
from collections.abc import Iterator
from itertools import islice

from selectolax.lexbor import LexborNode

CONTROLS = frozenset({"input", "textarea", "select"})
#: Types of `<input>` that show no value, or none that a person may read.
_SILENT = frozenset({"hidden", "submit", "reset", "button", "image", "file", "password"})
_CHOICES = frozenset({"checkbox", "radio"})
#: Characters of one value, and options of one list that are looked at.
MAX_VALUE = 20_000
MAX_OPTIONS = 500


_OPTION = re.compile(r"<option(?![a-z0-9-])([^<>]*)>[^<]*", re.IGNORECASE)


def limit_options(html: str) -> str:
    """Return HTML whose lists have no more options than are looked at: the parser takes quadratic time for them.

    In a page with very many options, those that are not selected are left out: nobody sees them.
    """
    if html.count("<") <= MAX_OPTIONS or len(_OPTION.findall(html)) <= MAX_OPTIONS:
        return html
    left = MAX_OPTIONS

    def keep(found: re.Match[str]) -> str:
        nonlocal left
        if "selected" not in found[1].lower():
            return ""
        left -= 1
        return found[0] if left >= 0 else ""

    return _OPTION.sub(keep, html)


def read_control(node: LexborNode, attributes: dict[str, str | None]) -> tuple[str, bool]:
    """Return (what the control shows, whether it is a box to check)."""
    if node.tag == "textarea":
        return (node.text() or "").strip()[:MAX_VALUE], False
    if node.tag == "select":
        return _selected(node), False
    kind = (attributes.get("type") or "text").strip().lower()
    if kind in _SILENT:
        return "", False
    if kind in _CHOICES:
        return "[x]" if "checked" in attributes else "[ ]", True
    return " ".join((attributes.get("value") or "")[:MAX_VALUE].split()), False


def _selected(node: LexborNode) -> str:
    """Return the selected options; nothing if none is, since a mail does not keep what a person chose later."""
    chosen = []
    for option in islice(_options(node), MAX_OPTIONS):
        attributes = option.attributes
        if "selected" in attributes:
            chosen.append(" ".join((attributes.get("label") or option.text() or "").split()))
    return ", ".join(filter(None, chosen))[:MAX_VALUE]


def _options(node: LexborNode) -> Iterator[LexborNode]:
    """Yield the options of a list and of its groups. A search by selector takes quadratic time."""
    child = node.child
    while child is not None:
        if child.tag == "optgroup":
            yield from _options(child)
        elif child.tag == "option":
            yield child
        child = child.next

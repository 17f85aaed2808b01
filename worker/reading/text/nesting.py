"""Flattens HTML that nests too many elements, so that its lines and tables stay when levels are left out."""

import re
from collections import Counter

from worker.reading.text.html_guard import DEPTH

#: Levels that stay; tables may be some levels deeper, so that text below many wrappers keeps its rows and columns.
WRAPPERS = DEPTH - 60
LEVELS = DEPTH - 10

_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)|<(/?)([a-zA-Z][^ \t\n\f\r/>]*+)(?:[^>\"']++|\"[^\"]*+\"?|'[^']*+'?)*+>?",
    re.DOTALL,
)
_ENDLESS_NAMES = """
    area base br col embed hr img input link meta param source track wbr p li td th tr dt dd option
    tbody thead tfoot colgroup html head body
"""
#: Elements without an end tag, or whose end tag is often left out: there is another element between two of them.
_ENDLESS = frozenset(_ENDLESS_NAMES.split())
_INLINE_NAMES = "a abbr b bdi big cite code em font i ins kbd mark q s samp small span strike strong sub sup tt u var"
#: Elements within a line; in the place of others a line ends.
_INLINE = frozenset(_INLINE_NAMES.split())


def flatten(html: str) -> str:
    """Return the HTML without the tags of its deepest levels. Text is never dropped, and its lines stay apart."""
    out: list[str] = []
    kept = 0
    levels = _Levels()
    for tag in _TAG.finditer(html):
        if not tag[2]:
            continue  # a comment
        name = tag[2][:40].lower()
        if name in _ENDLESS or not levels.leaves_out(name, closing=bool(tag[1])):
            continue
        between = html[kept : tag.start()]
        # One line end for many tags in a row.
        out += [between, "" if name in _INLINE or not between.strip() else "<br>"]
        kept = tag.end()
    return "".join(out) + html[kept:] if out else html


class _Levels:
    """Counts the open elements, as far as end tags show, and which of each name were left out."""

    def __init__(self) -> None:
        self._depth = 0
        self._opened: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def leaves_out(self, name: str, *, closing: bool) -> bool:
        """Count the tag; say whether it belongs to a level that is left out."""
        if closing:
            if self._left_out[name]:
                self._left_out[name] -= 1
                return True
            if self._opened[name]:
                self._opened[name] -= 1
                self._depth -= 1
            return False
        if self._depth >= (LEVELS if name == "table" else WRAPPERS):
            self._left_out[name] += 1
            return True
        self._opened[name] += 1
        self._depth += 1
        return False

"""HTML made harmless for its parsers: they take quadratic time on deep trees and on tags full of attributes.

20,000 levels took 1.3 s, 100,000 attributes of one tag 46 s. Text is never dropped, only tags and attributes. The
time limit of the reading process is the second lock.
"""

import re
from collections import Counter

#: Levels of open elements; tags beyond are left out.
DEPTH = 300
#: Attributes of one tag; a tag with more loses all of them.
ATTRIBUTES = 200
#: Shorter markup with fewer tags than levels needs no look.
SHORT = 20_000

_SPACE = r"[ \t\n\f\r/]"
_VALUE = r"(?:\"[^\"]*+\"?|'[^']*+'?|[^ \t\n\f\r>\"'][^ \t\n\f\r>]*+)"
_ATTRIBUTE = rf"[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+{_VALUE}?+)?+"
_ATTRIBUTES = re.compile(_ATTRIBUTE)
#: A comment, an end tag, or a start tag with its attributes; possessive, so that time stays linear.
_TAG = re.compile(
    rf"<!--(?:.*?-->|.*)|<(/?)([a-zA-Z][^ \t\n\f\r/>]*+)((?:{_SPACE}++|{_ATTRIBUTE})*+)>?",
    re.DOTALL,
)
_ENDLESS_NAMES = """
    area base br col embed hr img input link meta param source track wbr p li td th tr dt dd option
    tbody thead tfoot colgroup html head body
"""
#: Elements without an end tag, or whose end tag is often left out.
_ENDLESS = frozenset(_ENDLESS_NAMES.split())


def tamed(html: str) -> str:
    """The markup without what would make a parser slow; most markup comes back as it is."""
    if len(html) < SHORT and html.count("<") < DEPTH:
        return html
    out: list[str] = []
    kept = 0
    levels = _Levels()
    for tag in _TAG.finditer(html):
        if not tag[2]:
            continue  # a comment
        name = tag[2][:40].lower()
        if levels.too_deep(name, closing=bool(tag[1])):
            instead = " "
        elif len(tag[3]) > 2 * ATTRIBUTES and _has_too_many(tag[3]):
            instead = f"<{tag[1]}{name}>"
        else:
            continue
        out += [html[kept : tag.start()], instead]
        kept = tag.end()
    return "".join(out) + html[kept:] if out else html


class _Levels:
    """How many elements are open at most, as far as end tags tell."""

    def __init__(self) -> None:
        self._depth = 0
        self._opened: Counter[str] = Counter()

    def too_deep(self, name: str, *, closing: bool) -> bool:
        """Counts the tag; whether it belongs to a level that is left out."""
        if name in _ENDLESS:
            return self._depth > DEPTH
        if not closing:
            self._opened[name] += 1
            self._depth += 1
            return self._depth > DEPTH
        if self._opened[name]:
            self._opened[name] -= 1
            self._depth -= 1
            return self._depth >= DEPTH
        return False


def _has_too_many(attributes: str) -> bool:
    return sum(1 for _ in zip(range(ATTRIBUTES + 1), _ATTRIBUTES.finditer(attributes), strict=False)) > ATTRIBUTES

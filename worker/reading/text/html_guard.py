"""Makes HTML harmless for its parsers, whose time and memory are not linear in what the markup says.

Each limit is for one kind of markup; the figures are of 300 kB of it without the limit:

- levels of open elements: 10 s
- attributes of one tag: 6 s; of `html` and `body`, to which each further such tag adds: 5 s
- formatting tags such as `font` that stay open: each new block repeats them all, 1 GB
- character references: the sanitizer copies the text before each one, 1 s (1 MB: 9 s)

Text is never dropped, only tags and attributes. The time limit of the reading process is the second lock.
"""

import re
from collections import Counter
from collections.abc import Iterator

#: Levels of open elements; tags at deeper levels are left out.
DEPTH = 300
#: Attributes of one tag; a tag with more loses all of them.
ATTRIBUTES = 200
#: Start tags of each element that a page has once; each further one would add its attributes to the first.
ONCE = 10
#: Open formatting elements that are repeated in all blocks; over this sum formatting ends.
REPEATED = 30_000
#: Character references until the text is split, where those of the page together would copy more characters.
REFERENCES, COPIED = 256, 250_000_000
#: Markup with fewer characters, and with fewer elements that may stay open, needs no check: the square of so few costs
#: little. Nor does formatting that would be repeated fewer times if it stayed open.
SHORT, FEW_OPEN, FEW_REPEATED = 100_000, 1_000, 250_000

_SPACE = r"[ \t\n\f\r/]"
_VALUE = r"(?:\"[^\"]*+\"?|'[^']*+'?|[^ \t\n\f\r>\"'][^ \t\n\f\r>]*+)"
_ATTRIBUTE = rf"[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+{_VALUE}?+)?+"
_ATTRIBUTES = re.compile(_ATTRIBUTE)
#: Names of start tags: of all, and of those whose element does not end before another tag begins. Only what surely is
#: an attribute, and surely the end tag, counts: after `">` in an attribute, the rest of it would look like text.
_START = re.compile(r"<([a-zA-Z][^ \t\n\f\r/>]*+)")
_LEFT_OPEN = re.compile(
    rf'{_START.pattern}(?!(?: [a-z-]+="[^"<>]*")*+>[^<]*+</\1>)', re.IGNORECASE | re.ASCII
)  # else K, the sign of kelvin, would count as a k
#: An end tag, or a start tag with its attributes; possessive, so that time stays linear.
_TAG = rf"<(/?)([a-zA-Z][^ \t\n\f\r/>]*+)((?:{_SPACE}++|{_ATTRIBUTE})*+)>?"
_TAGS = re.compile(_TAG, re.DOTALL)
#: The same, but what is inside comments and the like is no tag. `<!-->` is a whole comment.
_TAGS_AND_COMMENTS = re.compile(rf"{_TAG}|<!--(?:-?>|.*?--!?>|.*)|<[!?][^>]*+>?|</[^a-zA-Z>][^>]*+>?", re.DOTALL)
#: Beginnings of what may hold a comment mark that begins no comment, with an end that is hard to find.
_MISLEADING = ("<![cdata[", "<script")
_REFERENCES = re.compile(rf"((?:&[^&]*+){{{REFERENCES}}})")

_ENDLESS_NAMES = """
    area base br col embed hr img input link meta param source track wbr p li td th tr dt dd option
    tbody thead tfoot colgroup html head body
"""
#: Elements without an end tag, or whose end tag is often left out.
_ENDLESS = frozenset(_ENDLESS_NAMES.split())
_ONCE = frozenset({"html", "head", "body", "frameset"})
_FORMATTING_NAMES = "b big code em font i s small strike strong tt u"
_FORMATTING = frozenset(_FORMATTING_NAMES.split())
#: Elements whose content is text, so that a comment mark in it begins no comment.
_TEXT_NAMES = "title textarea style xmp iframe noembed noframes noscript plaintext"
_TEXT = frozenset(_TEXT_NAMES.split())


#: Elements that need no count.
_USUAL = _ENDLESS - _ONCE


def limit_markup(html: str) -> str:
    """Return the markup without what would make a parser slow; most markup is unchanged."""
    return html if _costs_little(html) else _Limiter(html).limit()


def _costs_little(html: str) -> bool:
    """Say quickly whether the markup would cost little even if elements with other tags inside were never closed."""
    if len(html) >= SHORT:
        return False
    lower = html.lower()
    if any(lower.count(f"<{name}") > ONCE for name in _ONCE):
        return False
    return _are_few(html, _START) or _are_few(html, _LEFT_OPEN)


def _are_few(html: str, opening: re.Pattern[str]) -> bool:
    """Say whether the elements that may stay open are few. Those in comments and the like count, too."""
    opened = Counter(map(_lower, opening.findall(html)))
    formatting = sum(opened[name] for name in _FORMATTING)
    left_open = opened.total() - sum(opened[name] for name in _USUAL)
    return left_open < FEW_OPEN and formatting * html.count("<") < FEW_REPEATED


class _Limiter:
    """One walk through the tags of a page, with the counts of what they open at most."""

    def __init__(self, html: str) -> None:
        self._html = html
        self._out: list[str] = []
        self._kept = 0
        lower = html.lower()
        self._outside = _TAGS if any(mark in lower for mark in _MISLEADING) else _TAGS_AND_COMMENTS
        #: The element of text whose end tag was not found yet.
        self._text_element = ""
        self._opened: Counter[str] = Counter()
        self._once: Counter[str] = Counter()
        self._depth = 0
        self._formatting = 0
        self._repeated = 0
        self._has_ended_formatting = False
        self._references = 0

    def limit(self) -> str:
        """Return the markup within its limits."""
        html, last = self._html, 0
        has_many_references = html.count("&") * len(html) > COPIED
        while last < len(html):
            for tag in self._tags_from(last):
                start, last, before = tag.start(), tag.end(), last
                if has_many_references:
                    self._count_references(before, start)
                name = tag[2]
                # A page has thousands of tags, and this is about most of them.
                if name in _USUAL and self._depth <= DEPTH and not self._formatting and last - start <= 2 * ATTRIBUTES:
                    continue
                if name and self._check(tag, _lower(name), tag[1]):  # without a name it is a comment
                    break
            else:
                break
        if has_many_references:
            self._count_references(last, len(html))
        return "".join(self._out) + html[self._kept :] if self._out else html

    def _tags_from(self, position: int) -> Iterator[re.Match[str]]:
        """Find the tags from *position* on. In an element of text a comment mark begins no comment."""
        return (_TAGS if self._text_element else self._outside).finditer(self._html, position)

    def _replace(self, start: int, end: int, instead: str) -> None:
        self._out += [self._html[self._kept : start], instead]
        self._kept = end

    def _check(self, tag: re.Match[str], name: str, closing: str) -> bool:
        """Count the tag, and replace it where there is too much of its kind. Return whether a text begins or ends."""
        instead: str | None = None
        is_long = tag.end() - tag.start() > 2 * ATTRIBUTES
        if self._is_too_deep(name, closing):
            instead = " "
        elif is_long or self._formatting or self._repeated > REPEATED or name in _ONCE:
            instead = self._instead(tag, name, closing, is_long=is_long)
        if instead is not None:
            self._replace(*tag.span(), instead)
        if name not in _TEXT or (self._text_element and name != self._text_element):
            return False
        self._text_element = "" if closing else name
        return True

    def _instead(self, tag: re.Match[str], name: str, closing: str, *, is_long: bool) -> str | None:
        """Return what replaces a tag that is not too deep; None when it stays."""
        before, shown = "", tag[0]
        if not closing:
            self._repeated += self._formatting - (name in _FORMATTING)  # it does not repeat itself
            self._once[name] += 1
        if self._repeated > REPEATED:
            before = self._end_formatting()
            if name in _FORMATTING:
                shown = ""
        if name in _ONCE and self._once[name] > ONCE:
            shown = " "
        elif is_long and shown and _has_too_many(tag[3]):
            shown = f"<{closing}{name}>"
        return before + shown if before or shown != tag[0] else None

    def _is_too_deep(self, name: str, closing: str) -> bool:
        """Count the level of the tag. Return whether it is one that is left out."""
        if name in _ENDLESS:
            return self._depth > DEPTH
        if closing and not self._opened[name]:
            return False
        change = -1 if closing else 1
        self._opened[name] += change
        self._depth += change
        if name in _FORMATTING:
            self._formatting += change
        return self._depth >= DEPTH if closing else self._depth > DEPTH

    def _end_formatting(self) -> str:
        """Return the end tags of all open formatting elements; the second time there are none."""
        if self._has_ended_formatting:
            return ""
        self._has_ended_formatting = True
        return "".join(f"</{name}>" * self._opened[name] for name in _FORMATTING_NAMES.split())

    def _count_references(self, start: int, end: int) -> None:
        """Split the text between two tags when it has the last of too many references."""
        count = self._html.count("&", start, end)
        if not count:
            return
        self._references += count
        if self._references <= REFERENCES:
            return
        self._references = 0
        text = self._html[start:end]
        # An element that shows nothing splits a text, but not inside an element whose content is text.
        text = text.replace("&", "\uff06") if self._text_element else "<wbr>" + _REFERENCES.sub(r"\1<wbr>", text)
        self._replace(start, end, text)


def _lower(name: str) -> str:
    """Return a name in lower case as a parser does: the sign of kelvin is no K, and ends no `<strike>`."""
    return name.lower() if name.isascii() else name


def _has_too_many(attributes: str) -> bool:
    return sum(1 for _ in zip(range(ATTRIBUTES + 1), _ATTRIBUTES.finditer(attributes), strict=False)) > ATTRIBUTES

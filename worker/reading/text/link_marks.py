"""Marks the links of sanitized HTML whose text shows another host than the one that they open.

No list of public suffixes is used. The host that opens may be the shown host, below it, or above it: only its owner
gives out names below a host. So `shop.bank.example` that opens `click.bank.example` is marked too, which is true and
does no harm, and `bank.github.io` that opens `evil.github.io` is never missed.
"""

import re
from collections.abc import Iterator
from html import escape, unescape

from worker.reading.text.links import ascii_host, host_of, plain, recipient_hosts
from worker.reading.text.shown_hosts import shown_hosts

#: The class of a mark. Mail cannot use it, since the sanitizer allows no classes; the page has its style.
MARK_CLASS = "real-host"
#: Characters of a host that a mark shows: the last ones, which say whose it is.
SHOWN = 80
#: Characters of a link's text that may be the beginning of a host that the next link continues.
BEFORE = 300
#: Recipients of a `mailto:` link whose hosts are compared; nobody checks more of them.
MAX_RECIPIENTS = 10

_ANCHOR = re.compile(r"<a(?: ([^>]*))?>|</a>")
_HREF = re.compile(r'(?:^| )href="([^"]*)"')
_HINT = re.compile(r' (?:alt|title)="([^"]*)"')
_FORMATS = (
    "abbr|acronym|b|bdi|big|cite|code|data|dfn|em|font|i|ins|kbd|mark|s|samp|small|span|strike|strong|sub|sup|time|tt|u"
    "|var"
)
#: Tags that only change how a text looks.
_FORMAT = re.compile(f"</?(?:{_FORMATS})(?: [^>]*)?>")
_INLINE = re.compile(f"</?(?:a|img|wbr|{_FORMATS})(?: [^>]*)?>")
_INLINES = re.compile(f"(?:{_INLINE.pattern})*+")
_TAG = re.compile(r"<[^>]*>")
#: Two changes of the format, which no character of HTML is, with nothing but blanks between them.
_CHANGES = re.compile(r"\0[\s\0]*\0")
_AROUND = "\0.,;:!?()[]\"'"


def mark_links(html: str) -> tuple[str, int]:
    """Return the sanitized HTML with a mark at the beginning of each misleading link, and the number of marks."""
    edits: list[tuple[int, int, str]] = []
    marks = 0
    open_links: list[_Link] = []
    last_text, last_end = "", 0
    for tag in _ANCHOR.finditer(html):
        if open_links:
            open_links[-1].add(html, tag.start())
        if not tag[0].startswith("</"):
            touches = bool(last_text) and _touch(html[last_end : tag.start()])
            open_links.append(_Link(tag[1] or "", tag.end(), last_text if touches else ""))
            continue
        if not open_links:
            continue
        link = open_links.pop()
        link.close()
        last_text, last_end = plain(link.before + link.text)[-BEFORE:], tag.end()
        if mark := link.mark():
            edits.append((link.begin, link.begin, mark))
            marks += 1
        elif link.hides_within_words():
            edits += link.unformatted()
        if open_links:  # a link in a table in a link
            open_links[-1].resumed = tag.end()
    return _edited(html, edits), marks


def _edited(html: str, edits: list[tuple[int, int, str]]) -> str:
    """Return *html* with other texts in the place of some ranges, which do not overlap."""
    out: list[str] = []
    kept = 0
    for start, end, text in sorted(edits):  # an inner link ends, and is edited, before the outer one
        out += [html[kept:start], text]
        kept = end
    return "".join([*out, html[kept:]]) if out else html


class _Link:
    """One open link: its attributes, and the markup inside of it that belongs to no inner link.

    *before* is the text of a link that it touches: to a reader both are one.
    """

    def __init__(self, attributes: str, begin: int, before: str) -> None:
        self.begin = self.resumed = begin
        self.before = before
        #: What a person reads between the tags of the link.
        self.text = ""
        self._attributes = attributes
        self._content: list[tuple[int, str]] = []
        self._markup = ""

    def add(self, html: str, end: int) -> None:
        """Add the markup from where the link was resumed to *end*."""
        self._content.append((self.resumed, html[self.resumed : end]))

    def close(self) -> None:
        """Read the text of the link, to which nothing is added any more."""
        self._markup = "".join([markup for _, markup in self._content])
        self.text = _text_of(self._markup)

    def mark(self) -> str:
        """Return the markup of a mark; "" when the link keeps what it shows."""
        seen = [shown for text in self._texts() for shown in shown_hosts(text)]
        href = _HREF.search(self._attributes) if seen else None
        other = _other_host(unescape(href[1]), seen) if href else ""
        if not other:
            return ""
        short = other if len(other) <= SHOWN else "…" + other[-SHOWN:]
        return f'<span class="{MARK_CLASS}">⚠ goes to {escape(short)}</span> '

    def hides_within_words(self) -> bool:
        """Return whether a word with a dot has parts of different formats: a small or pale part could be unseen.

        To a reader, "bank!.example" is "bank.example" when nobody can see the "!".
        """
        if "." not in self.text or not _FORMAT.search(self._markup):
            return False
        words = _CHANGES.sub("\0", _text_of(_FORMAT.sub("\0", self._markup))).split()
        return any("\0" in word and "." in word for word in (word.strip(_AROUND) for word in words))

    def unformatted(self) -> Iterator[tuple[int, int, str]]:
        """Yield the edits that give all of the text one format, in which it was judged."""
        for start, markup in self._content:
            yield start, start + len(markup), _FORMAT.sub("", markup)

    def _texts(self) -> Iterator[str]:
        """Yield what a person may see of the link: its text, and what its images and its tooltip say."""
        yield self.text
        if self.before:
            yield self.before + self.text
        for markup in f" {self._attributes}", self._markup:
            if ' alt="' in markup or ' title="' in markup:
                yield from map(unescape, _HINT.findall(markup))


def _text_of(markup: str) -> str:
    """Return the text of sanitized markup; blocks are apart from each other."""
    return unescape(_TAG.sub(" ", _INLINE.sub("", markup))) if "<" in markup or "&" in markup else markup


def _touch(between: str) -> bool:
    """Return whether nothing is seen between two links: only changes of the format, and what takes no room."""
    seen = between[_INLINES.match(between).end() :]  # type: ignore[union-attr]
    if seen[:1].isascii() and seen[:1] != "&":
        return not seen  # a block, a blank or another sign
    return not plain(_text_of(seen))


def _other_host(link: str, seen: list[str]) -> str:
    """Return the first host that *link* goes to while its text shows another one; "" if there is none."""
    host = host_of(link)
    hosts = [host] if host else recipient_hosts(link)
    if len(hosts) > MAX_RECIPIENTS:
        return hosts[0]
    return next((host for host in hosts if any(_misleads(shown, host) for shown in seen)), "")


def _misleads(shown: str, host: str) -> bool:
    """Return whether *shown* names another host, or may: letters of other alphabets can look like Latin ones."""
    if not shown.isascii():
        return True
    one, other = (name.removeprefix("www.") for name in (ascii_host(shown), host))
    return one != other and not one.endswith(f".{other}") and not other.endswith(f".{one}")

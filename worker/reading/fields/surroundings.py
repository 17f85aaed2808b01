"""Judges what is around a label or a value: addresses, code and prose have words that are no labels."""

import re

#: Characters around a label that are examined.
_NEAR = 300
_FENCE = "```"
#: Code has one of these; most mail has none, and then no line is examined.
_CODE_SIGNS = ("=", "{", "}", "()", "</", "/>", "::", "&&", '":', "\n  at ")
_CODE_LINE = re.compile(
    r"[{}]\s*$|\w=\S{1,100}\s{1,5}\w{1,40}=\S|\(\)|[=!]=|&&|</|/>|::|\w\.\w{1,40}\(|[\w\])]\s?=\s?[^\n]{1,200};\s*$|\$\w{1,40}\s?=|\"\w{1,40}\"\s?:"
    r"|^\s{0,40}(?:def|var|let|const|function|import|public|private|static|#include|SELECT|INSERT|UPDATE|DELETE FROM"
    r"|at \S{1,200}\()\b",
    re.MULTILINE,
)
_IN_ADDRESS = re.compile(r"://|^(?:www\.|mailto:)|[?&][^\s=]{1,60}=|@|^[/\\]\S{0,300}[/\\]|%[0-9A-F]{2}", re.IGNORECASE)
#: "in excess of 5,000", "in case of loss 4711" name nothing.
_IDIOM = re.compile(r"\bin\s{1,3}$", re.IGNORECASE)
_IDIOM_AFTER = re.compile(r"\s{1,3}of\b", re.IGNORECASE)
_DEFINITE_WORDS = """
    the our your my his her their its this that der die das den dem des unser unsere ihr ihre ihren mein meine le la
    les notre votre mon ma mes nos vos el su sus nuestro nuestra tu il lo gli nostro nostra vostro het uw ons onze mijn
    nosso nossa seu sua vår er vores deres
"""
_DEFINITE = frozenset(_DEFINITE_WORDS.split())
_WORDS = re.compile(r"[^\W\d_]{2,}")
_LAST_WORD = re.compile(r"([^\W\d_]{1,20})[’']?\s{1,3}$")


class Surroundings:
    """The text around labels between two offsets of a text."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self._text = text
        self._start = start
        self._end = end
        self._fences = _fenced(text, start, end)
        searched = text[start:end]
        self._may_be_code = any(map(searched.__contains__, _CODE_SIGNS))

    def is_text(self, start: int, end: int) -> bool:
        """Say whether a label is in what people write, and not in an address or in code."""
        text = self._text
        if any(first <= start < last for first, last in self._fences):
            return False
        is_joined = start > self._start and not text[start - 1].isspace()
        if not (is_joined or self._may_be_code):
            return True
        before = text[max(self._start, start - _NEAR) : start]
        if is_joined:
            token = before.split()[-1]
            if len(token) > 3 and _IN_ADDRESS.search(token + text[start : min(end + 1, self._end)]):
                return False
        if not self._may_be_code:
            return True
        line = before[before.rfind("\n") + 1 :]
        newline = text.find("\n", end, min(end + _NEAR, self._end))
        line += text[start : min(end + _NEAR, self._end) if newline < 0 else newline]
        return _CODE_LINE.search(line) is None

    def is_idiom(self, start: int, end: int) -> bool:
        """Say whether a label without a separator is a part of a phrase such as "in excess of"."""
        before = self._text[max(self._start, start - 6) : start]
        return _IDIOM.search(before) is not None and _IDIOM_AFTER.match(self._text, end, self._end) is not None

    def is_qualified(self, start: int) -> bool:
        """Say whether a word before a label makes it another thing: "an amount of", "birth date"; not "the amount"."""
        found = _LAST_WORD.search(self._text[max(self._start, start - 24) : start])
        return found is not None and found[1].lower() not in _DEFINITE


def _fenced(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the blocks between fences of three backquotes."""
    found: list[tuple[int, int]] = []
    first = text.find(_FENCE, start, end)
    while first >= 0 and len(found) < 100:
        last = text.find(_FENCE, first + len(_FENCE), end)
        if last < 0:
            break
        found.append((first, last))
        first = text.find(_FENCE, last + len(_FENCE), end)
    return found


def fills(text: str, start: int, end: int, most_before: int, most_after: int) -> bool:
    """Say whether *text* is little more than its part from *start* to *end*: at most so many words around it."""
    before, after = text[:start], text[end:]
    if len(_WORDS.findall(before)) > most_before or len(_WORDS.findall(after)) > most_after:
        return False
    return not (_WORDS.search(before + after) and text.rstrip().endswith((".", "!", "?")))

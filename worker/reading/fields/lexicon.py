"""All labels of a set of rules as one tree of tokens: finding them costs the same for one rule as for a hundred."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from worker.reading.fields.words import (
    Remembered,
    blanked,
    find_words_and_signs,
    folded,
    has_signs,
    tokens_of,
)
from worker.reading.rules import FieldRule
from worker.reading.vocabulary import GENERAL_FIELDS

#: Labels found in one text.
MAX_LABELS = 2_000
#: Words of one label.
MAX_WORDS = 10
#: Characters that may stand between two words of a label.
_GLUE = frozenset(" .-/_'’")


@dataclass(slots=True)
class _Node:
    next: dict[str, "_Node"] = field(default_factory=dict)
    label: str | None = None
    rules: tuple[int, ...] = ()

    def after(self, word: str) -> "_Node | None":
        """Where a word of a text leads; None when no label goes on with it."""
        node = self
        for token in folded(word):
            if token not in node.next:
                return None
            node = node.next[token]
        return node


@dataclass(slots=True)
class Label:
    """A label in a text: where it stands, as the rule spells it, and which rules (by place) it belongs to."""

    start: int
    end: int
    label: str
    rules: tuple[int, ...]


def _languages() -> dict[tuple[str, ...], str]:
    """Tokens of every general label → its language, where only one language has it and that is not English."""
    found: dict[tuple[str, ...], set[str]] = {}
    for _, by_language in GENERAL_FIELDS.values():
        for language, labels in by_language.items():
            for label in labels:
                found.setdefault(tokens_of(label), set()).add(language)
    return {tokens: next(iter(languages)) for tokens, languages in found.items() if len(languages) == 1}


_LANGUAGES = _languages()


@lru_cache(maxsize=4_096)
def language_of(label: str) -> str | None:
    """Language of a label of business mail; None when unknown or common to several."""
    return _LANGUAGES.get(tokens_of(label))


class Lexicon:
    """The tree of one set of rules."""

    def __init__(self, rules: Sequence[FieldRule]) -> None:
        self._root = _Node()
        self._first = Remembered(self._root.after).__getitem__
        for place, rule in enumerate(rules):
            for label in rule.labels:
                self._add(label, place)

    def _add(self, label: str, place: int) -> None:
        node = self._root
        for token in tokens_of(label):
            node = node.next.setdefault(token, _Node())
        if node is not self._root:
            node.label = node.label or label
            if place not in node.rules:
                node.rules += (place,)

    def labels(self, text: str, start: int, end: int) -> list[Label]:
        """Labels between two offsets, the longest at each place, in order, not overlapping."""
        out: list[Label] = []
        searched = text[start:end]  # and never the whole: a text may have very many spans
        signs = has_signs(searched)
        for line in blanked(searched).split("\n"):
            if len(out) >= MAX_LABELS:
                break
            words, stop = line.split(), start + len(line)
            # Most lines hold no label: they cost one look for each word and no positions.
            if any(map(self._first, words)) or (signs and text.find("_", start, stop) >= 0):
                words = find_words_and_signs(text, start, stop) if signs else words
                out += islice(self._labels_of_line(text, words, start), MAX_LABELS - len(out))
            start = stop + 1
        return out

    def _labels_of_line(self, text: str, words: list[str], start: int) -> Iterator[Label]:
        taken = 0
        nodes = list(map(self._first, words))
        while nodes and nodes[-1] is None:  # behind the last word that begins a label nothing needs a place
            nodes.pop()
        for place, (word, node) in enumerate(zip(words, nodes, strict=False)):
            # Nothing but glue stands between two words, so that the next place is the right one.
            start = text.find(word, start)
            end = start + len(word)
            if node is not None and place >= taken and (found := _longest(text, words, place, start, end, node)):
                label, taken = found
                yield label
            start = end


def _longest(text: str, words: list[str], place: int, start: int, end: int, node: _Node) -> tuple[Label, int] | None:
    """The longest label whose first word stands from `start` to `end` and leads to `node`, and the word after it."""
    best: tuple[Label, int] | None = None
    for at, word in enumerate(words[place + 1 : place + MAX_WORDS], place + 1):
        if node.label is not None:
            best = Label(start, end, node.label, node.rules), at
        if not node.next or (following := node.after(word)) is None:
            return best
        begin = text.find(word, end)
        if not _GLUE.issuperset(text[end:begin]):
            return best
        node, end = following, begin + len(word)
    if node.label is not None:
        best = Label(start, end, node.label, node.rules), min(place + MAX_WORDS, len(words))
    return best


@lru_cache(maxsize=64)
def lexicon(rules: tuple[FieldRule, ...]) -> Lexicon:
    """The tree for these rules, built once."""
    return Lexicon(rules)

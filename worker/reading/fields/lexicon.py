"""Holds all labels of a set of rules as one tree of tokens: one rule costs as much as a hundred."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from worker.reading.fields.rules import FieldRule
from worker.reading.fields.vocabulary import GENERAL_LABELS, LANGUAGES, PERIOD_LABELS
from worker.reading.fields.words import (
    WordCache,
    blank_signs,
    find_words_and_signs,
    fold_word,
    has_signs,
    tokenize,
)

#: Labels found in one text.
MAX_LABELS = 2_000
#: Words of one label.
MAX_WORDS = 10
#: Characters that may be between two words of a label.
_OWN = frozenset("sS")
_APOSTROPHES = frozenset("'’")
_GLUE = frozenset(" .-/_&'’")


@dataclass(slots=True)
class _Node:
    next: dict[str, "_Node"] = field(default_factory=dict)
    label: str | None = None
    rules: tuple[int, ...] = ()

    def after(self, word: str) -> "_Node | None":
        """Return the node that a word of a text leads to; None when no label continues with it."""
        node = self
        for token in fold_word(word):
            if token not in node.next:
                return None
            node = node.next[token]
        return node


@dataclass(slots=True)
class Label:
    """A label in a text: its position, its spelling in the rule, and the rules (by index) that it belongs to."""

    start: int
    end: int
    spelling: str
    rules: tuple[int, ...]


def _languages() -> dict[tuple[str, ...], tuple[str, ...]]:
    """Map the tokens of every general label to its language, if all its languages write dates and amounts alike."""
    found: dict[tuple[str, ...], list[str]] = {}
    for by_language in (*GENERAL_LABELS.values(), PERIOD_LABELS):
        for language, labels in by_language.items():
            for label in labels:
                found.setdefault(tokenize(label), []).append(language)
    habits = {code: (language.date_order, language.decimal_mark) for code, language in LANGUAGES.items()}
    return {tokens: tuple(codes) for tokens, codes in found.items() if len({habits[code] for code in codes}) == 1}


_LANGUAGES = _languages()


@lru_cache(maxsize=4_096)
def label_languages(label: str) -> tuple[str, ...]:
    """Return the languages of a general label, if all of them write dates and amounts alike; () when it is unknown."""
    return _LANGUAGES.get(tokenize(label), ())


class Lexicon:
    """The tree of one set of rules."""

    def __init__(self, rules: Sequence[FieldRule]) -> None:
        self._root = _Node()
        self._first = WordCache(self._root.after).__getitem__
        for index, rule in enumerate(rules):
            for label in rule.labels:
                tokens = tokenize(label)
                self._add(label, tokens, index)
                if rule.type == "reference" and tokens and "number" not in tokens:
                    self._add(f"{label} №", (*tokens, "number"), index)
                    self._add(f"№ {label}", ("number", *tokens), index)

    def _add(self, label: str, tokens: tuple[str, ...], index: int) -> None:
        node = self._root
        for token in tokens:
            node = node.next.setdefault(token, _Node())
        if node is not self._root:
            node.label = node.label or label
            if index not in node.rules:
                node.rules += (index,)

    def find_labels(self, text: str, start: int, end: int) -> list[Label]:
        """Return the labels between two offsets, the longest at each position, in order, not overlapping."""
        out: list[Label] = []
        searched = text[start:end]  # never the whole text, which may have very many spans
        signs = has_signs(searched)
        for line in blank_signs(searched).split("\n"):
            if len(out) >= MAX_LABELS:
                break
            words, stop = line.split(), start + len(line)
            # Most lines have no label: they need one look-up per word and no positions.
            nodes = list(map(self._first, words))
            if signs and has_signs(text[start:stop]):
                words = find_words_and_signs(text, start, stop)
                nodes = list(map(self._first, words))
            if any(nodes) and _may_have_label(words, nodes):
                out += islice(self._labels_of_line(text, words, nodes, start), MAX_LABELS - len(out))
            start = stop + 1
        return out

    def _labels_of_line(self, text: str, words: list[str], nodes: list[_Node | None], start: int) -> Iterator[Label]:
        taken = 0
        while nodes and nodes[-1] is None:  # after the last word that begins a label, no position is needed
            nodes.pop()
        for index, (word, node) in enumerate(zip(words, nodes, strict=False)):
            # Only separators are between two words, so the next position is the right one.
            start = text.find(word, start)
            end = start + len(word)
            if node is not None and index >= taken and (found := _longest(text, words, index, start, end, node)):
                label, taken = found
                yield label
            start = end


def _may_have_label(words: list[str], nodes: list[_Node | None]) -> bool:
    """Say whether a label begins at one of the words: many begin with "at", "i" or "no", few go on with the next."""
    return any(
        node.label is not None or (at < len(words) and (words[at] in _OWN or node.after(words[at])))
        for at, node in enumerate(nodes, 1)
        if node is not None
    )


def _longest(text: str, words: list[str], index: int, start: int, end: int, node: _Node) -> tuple[Label, int] | None:
    """Return the longest label whose first word is at `start` to `end` and leads to `node`, and the word after it."""
    best: tuple[Label, int] | None = None
    for at, word in enumerate(words[index + 1 : index + MAX_WORDS], index + 1):
        if node.label is not None:
            best = Label(start, end, node.label, node.rules), at
        begin = text.find(word, end)
        following = node.after(word) if node.next else None
        if following is None and word in _OWN and text[end:begin] in _APOSTROPHES:
            end = begin + 1  # "the insured's name" is "insured name"
            continue
        if following is None:
            return best
        if not _GLUE.issuperset(text[end:begin]):
            return best
        node, end = following, begin + len(word)
    if node.label is not None:
        best = Label(start, end, node.label, node.rules), min(index + MAX_WORDS, len(words))
    return best

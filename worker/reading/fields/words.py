"""Writes words in one spelling, so that labels match in any case, with any accents and any word for "number"."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar
from unicodedata import combining, normalize

_WORD = re.compile(r"[nN]\s?°|[#№]|[^\W_]+")
#: Ways to write "number", after folding.
_NUMBER_NAMES = """
    number num no nr n nro numero nummer nos numm numer numara numarasi cislo αριθμοσ αρ # № n° n.
"""
_NUMBER = frozenset(_NUMBER_NAMES.split())
_ENDINGS = ("snummer", "nummer", "numero", "nro", "nr")
#: Letters that Unicode does not take apart.
_PLAIN = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d"})


_T = TypeVar("_T")

#: Words in the cache, and characters of one.
MAX_CACHED_WORDS = 20_000
MAX_WORD = 40

#: Characters of a word that are examined; longer ones would fill the cache.
_LOOKED_AT = 60


def remove_accents(word: str) -> str:
    """Return the word in lower case without accents."""
    return "".join(char for char in normalize("NFKD", word).casefold() if not combining(char)).translate(_PLAIN)


def fold_word(word: str) -> tuple[str, ...]:
    """Return one word of a text as one or two tokens: `Policennr` → (`policen`, `number`)."""
    return _folded(word[:_LOOKED_AT])


@lru_cache(maxsize=MAX_CACHED_WORDS)
def _folded(word: str) -> tuple[str, ...]:
    plain = word.casefold()
    if not plain.isascii():
        plain = remove_accents(word)
    plain = plain.replace(" ", "")
    if plain in _NUMBER:
        return ("number",)
    for ending in _ENDINGS:
        if plain.endswith(ending) and len(plain) > len(ending) + 2:
            return plain.removesuffix(ending), "number"
    return (plain,)


@lru_cache(maxsize=4_096)
def tokenize(label: str) -> tuple[str, ...]:
    """Return the sequence of tokens by which a label is looked up."""
    return tuple(token for word in _WORD.findall(label) for token in fold_word(word))


class WordCache(dict[str, _T]):
    """Caches what is known of a word: most of a mail is the same few hundred words."""

    def __init__(self, ask: Callable[[str], _T]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, word: str) -> _T:
        if len(self) >= MAX_CACHED_WORDS:
            self.clear()
        answer = self._ask(word)
        if len(word) <= MAX_WORD:
            self[word] = answer
        return answer


#: (text, start, end) → its words without positions. Words with signs cost more, and few texts have them.
find_words_and_signs = _WORD.findall
_NO_WORD = re.compile(r"[^\w\n]|[_\u2460-\u24ff\u2776-\u2793\u3251-\u325f\u32b1-\u32bf]")  # ① is no word
#: The same for ASCII, in a third of the pattern's time.
_BLANKED = "".join(chr(code) if chr(code).isalnum() or code == 10 else " " for code in range(128))


def blank_signs(text: str) -> str:
    """Return the text with a blank for each sign that is in no word; line ends stay."""
    return text.translate(_BLANKED) if text.isascii() else _NO_WORD.sub(" ", text)


def has_signs(text: str) -> bool:
    """Say whether the text may have a word that is written with a sign: #, № or N°."""
    return "#" in text or "№" in text or "°" in text

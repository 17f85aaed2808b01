"""Words of a text in one spelling, so that labels match whatever their case, accents and way to write "number"."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar
from unicodedata import combining, normalize

_WORD = re.compile(r"[nN]\s?°|[#№]|[^\W_]+")
#: Ways to write "number" in six languages, after folding.
_NUMBER = frozenset(["number", "num", "no", "nr", "n", "nro", "numero", "nummer", "nos", "numm", "#", "№", "n°", "n."])
_ENDINGS = ("snummer", "nummer", "nr")


_T = TypeVar("_T")

#: Words remembered, and characters of one.
MAX_REMEMBERED = 20_000
MAX_WORD = 40

#: Characters of a word that are looked at; more would be remembered, too.
_LOOKED_AT = 60


def folded(word: str) -> tuple[str, ...]:
    """One word of a text as one or two tokens: `Policennr` → (`policen`, `number`)."""
    return _folded(word[:_LOOKED_AT])


@lru_cache(maxsize=MAX_REMEMBERED)
def _folded(word: str) -> tuple[str, ...]:
    plain = word.casefold()
    if not plain.isascii():
        plain = "".join(char for char in normalize("NFKD", word).casefold() if not combining(char))
    plain = plain.replace(" ", "")
    if plain in _NUMBER:
        return ("number",)
    for ending in _ENDINGS:
        if plain.endswith(ending) and len(plain) > len(ending) + 2:
            return plain.removesuffix(ending), "number"
    return (plain,)


@lru_cache(maxsize=4_096)
def tokens_of(label: str) -> tuple[str, ...]:
    """A label as the sequence of tokens that it is looked up by."""
    return tuple(token for word in _WORD.findall(label) for token in folded(word))


class Remembered(dict[str, _T]):
    """Word → what is known of it; it asks once for each word, since most of a mail is the same few hundred."""

    def __init__(self, ask: Callable[[str], _T]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, word: str) -> _T:
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        answer = self._ask(word)
        if len(word) <= MAX_WORD:
            self[word] = answer
        return answer


#: (text, start, end) → its words without their places; those with signs cost more, and few texts have any.
find_words_and_signs = _WORD.findall
_NO_WORD = re.compile(r"[^\w\n]|_")
#: The same for ASCII, which takes a third of the pattern's time.
_BLANKED = "".join(chr(code) if chr(code).isalnum() or code == 10 else " " for code in range(128))


def blanked(text: str) -> str:
    """The text with a blank for each sign that is in no word; line ends stay."""
    return text.translate(_BLANKED) if text.isascii() else _NO_WORD.sub(" ", text)


def has_signs(text: str) -> bool:
    """Whether there may be a word in the text that is written with a sign: #, № or N°."""
    return "#" in text or "№" in text or "°" in text

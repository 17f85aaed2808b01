"""Detects the language of a text by its stop words. It decides how dates and amounts are read if no label does."""

from collections import Counter

from worker.reading.fields.vocabulary import LANGUAGES
from worker.reading.fields.words import WordCache, blank_signs, find_words_and_signs, fold_word, has_signs

#: Characters that are examined, small words that must be found, and the lead that the first language needs.
SAMPLE = 3_000
LEAST = 4
LEAD = 1.5

_STOP_WORDS = {fold_word(word)[0]: code for code, each in LANGUAGES.items() for word in each.stop_words.split()}

#: Small word → its language.
_language = WordCache(lambda word: _STOP_WORDS.get(fold_word(word)[0])).__getitem__


def detect_language(text: str) -> str | None:
    """Return the code of one of `LANGUAGES`; None for short or mixed texts."""
    words = find_words_and_signs(text, 0, SAMPLE) if has_signs(text) else blank_signs(text[:SAMPLE]).split()
    counts = Counter(filter(None, map(_language, words)))
    if not counts:
        return None
    first = max(counts, key=counts.__getitem__)
    most = counts.pop(first)
    return first if most >= LEAST and most >= LEAD * max(counts.values(), default=0) else None

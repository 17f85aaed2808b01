"""The language of a text, by its small words. It decides how dates and amounts are read where a label does not."""

from collections import Counter

from worker.reading.fields.words import Remembered, blanked, find_words_and_signs, folded, has_signs
from worker.reading.vocabulary import SMALL_WORDS

#: Characters that are looked at, small words that must be found, and how far the first must be ahead of the second.
SAMPLE = 3_000
LEAST = 4
LEAD = 1.5


#: Word → the language that has it as a small word.
_language = Remembered(lambda word: SMALL_WORDS.get(folded(word)[0])).__getitem__


def language_of_text(text: str) -> str | None:
    """`en`, `de`, `fr`, `es`, `it` or `nl`; None for short or mixed texts."""
    words = find_words_and_signs(text, 0, SAMPLE) if has_signs(text) else blanked(text[:SAMPLE]).split()
    counts = Counter(filter(None, map(_language, words)))
    if not counts:
        return None
    first = max(counts, key=counts.__getitem__)
    most = counts.pop(first)
    return first if most >= LEAST and most >= LEAD * max(counts.values(), default=0) else None

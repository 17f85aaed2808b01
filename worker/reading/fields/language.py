"""The language of a text, by its small words. It decides how dates and amounts are read where a label does not."""

from collections import Counter

from worker.reading.fields.words import Remembered, find_words, find_words_and_signs, folded, has_signs
from worker.reading.vocabulary import SMALL_WORDS

#: Characters that are looked at, small words that must be found, and how far the first must be ahead of the second.
SAMPLE = 3_000
LEAST = 4
LEAD = 1.5


#: Word → the language that has it as a small word.
_language = Remembered(lambda word: SMALL_WORDS.get(folded(word)[0])).__getitem__


def language_of_text(text: str) -> str | None:
    """`en`, `de`, `fr`, `es`, `it` or `nl`; None for short or mixed texts."""
    words = (find_words_and_signs if has_signs(text) else find_words)(text, 0, SAMPLE)
    found = Counter(map(_language, words))
    del found[None]
    counts = found.most_common(2)
    if not counts or counts[0][1] < LEAST:
        return None
    return counts[0][0] if len(counts) == 1 or counts[0][1] >= LEAD * counts[1][1] else None

"""The language of a text, by its small words. It decides how dates and amounts are read where a label does not."""

from collections import Counter

from worker.reading.fields.words import folded, words_of
from worker.reading.vocabulary import SMALL_WORDS

#: Characters that are looked at, small words that must be found, and how far the first must be ahead of the second.
SAMPLE = 3_000
LEAST = 4
LEAD = 1.5


def language_of_text(text: str) -> str | None:
    """`en`, `de`, `fr`, `es`, `it` or `nl`; None for short or mixed texts."""
    counts = Counter(
        SMALL_WORDS[token]
        for word in words_of(text, 0, min(len(text), SAMPLE))
        if (token := folded(word[0])[0]) in SMALL_WORDS
    ).most_common(2)
    if not counts or counts[0][1] < LEAST:
        return None
    return counts[0][0] if len(counts) == 1 or counts[0][1] >= LEAD * counts[1][1] else None

"""The labels of the languages do not contradict each other."""

from collections import defaultdict

from worker.reading.fields.lexicon import label_languages
from worker.reading.fields.vocabulary import FIELD_TYPES, GENERAL_LABELS, LANGUAGES
from worker.reading.fields.words import tokenize


def test_a_label_names_one_field_in_all_languages() -> None:
    fields = defaultdict(set)
    for name, by_language in GENERAL_LABELS.items():
        for labels in by_language.values():
            for label in labels:
                fields[tokenize(label)].add(name)
    assert {tokens: names for tokens, names in fields.items() if len(names) > 1} == {}


def test_every_label_is_of_a_general_field() -> None:
    assert {name for language in LANGUAGES.values() for name in language.labels} <= FIELD_TYPES.keys()


def test_a_language_that_names_months_names_all() -> None:
    assert {len(language.months) for language in LANGUAGES.values()} <= {0, 12}


def test_the_same_month_name_is_the_same_month_in_all_languages() -> None:
    numbers = defaultdict(set)
    for language in LANGUAGES.values():
        for number, names in enumerate(language.months):
            for name in names.split():
                numbers[name].add(number)
    assert {name: found for name, found in numbers.items() if len(found) > 1} == {}


def test_a_word_shows_one_language() -> None:
    words = [word for language in LANGUAGES.values() for word in language.stop_words.split()]
    assert len(words) == len(set(words))


def test_the_language_of_a_label_is_known_where_all_its_languages_write_alike() -> None:
    assert label_languages("Forfallsdato") == ("nb",)
    assert set(label_languages("Fakturadato")) == {"da", "nb"}
    assert label_languages("Versicherungsnehmer") == ("de",)
    assert label_languages("Name") == ()

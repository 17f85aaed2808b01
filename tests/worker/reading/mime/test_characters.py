"""Words have one spelling: composed letters, and no characters that nobody sees."""

from unicodedata import normalize

import pytest

from tests.worker.reading.mails import plain
from worker.reading import read
from worker.reading.mime.characters import plain_characters


@pytest.mark.parametrize(
    "label",
    [
        "Pol\u200bicy Num\u00adber",
        "Policy Number\u200b",
        "Policy Number\u200c",
        "Policy\u200d Number\u200e",
        "\ufeffPolicy\u2060 Number\u2063",
        "\u202aPolicy Number\u202c",
        "Policy\u00a0Number\u2069",
        "Policy\u3000Number",
    ],
)
def test_characters_without_width_do_not_hide_a_label(label: str) -> None:
    assert read(plain(f"{label}: LF-778812")).fields["policy_number"] == "LF-778812"
    assert read(plain("x", subject=f"{label}: LF-778812")).fields["policy_number"] == "LF-778812"


def test_decomposed_letters_match_labels_and_are_shown_composed() -> None:
    reading = read(plain(normalize("NFD", "Numéro de police: LF-778812\nFällig: 가나\nが")))
    assert reading.fields["policy_number"] == "LF-778812"
    assert reading.text == "Numéro de police: LF-778812\nFällig: 가나\nが"


@pytest.mark.parametrize(
    "word", ["نمی\u200cخواهم", "क्\u200dष", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "❤️\u200d🔥"]
)
def test_joiners_stay_where_they_change_letters_or_pictures(word: str) -> None:
    assert plain_characters(word) == word


def test_very_many_marks_on_one_letter_stay_in_bounds() -> None:
    text = "a" + "\u0301\u0327" * 100_000
    assert len(plain_characters(text)) <= len(text)

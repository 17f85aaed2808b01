"""The fields of our own labelled mails are as right as the documents say, and the comparison counts what it should."""

from pathlib import Path

import pytest

from tests.score.comparison import Score, Tally, compare, score_reading
from tests.score.labelled import OWN, LabelledMail, load_mails
from worker.reading import GENERAL_RULES, read

MAILS = tuple(load_mails(OWN))

#: What was reached; a change that reads less well must say why.
PRECISION = 0.995
RECALL = 0.99
F1 = 0.992


@pytest.fixture(scope="module")
def score() -> Score:
    return score_reading(MAILS)


def test_there_are_at_least_sixty_mails_in_at_least_ten_languages() -> None:
    assert len(MAILS) >= 60
    assert len({mail.name.partition("-")[0] for mail in MAILS}) >= 10


def test_found_values_are_right(score: Score) -> None:
    assert score.all.precision >= PRECISION, score.faults


def test_expected_values_are_found(score: Score) -> None:
    assert score.all.recall >= RECALL, score.faults
    assert score.all.f1 >= F1, score.faults


def test_the_right_readings_of_a_value_in_doubt_are_offered(score: Score) -> None:
    assert score.offered == score.in_doubt > 0


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.name)
def test_the_mail_is_read_within_all_limits(mail: LabelledMail) -> None:
    reading = read(mail.raw, mail.rules)
    assert not {"truncated", "attachment_unread"} & set(reading.flags)


def labelled(**tables: dict) -> LabelledMail:
    names = ("expected", "accepted", "optional", "doubt")
    return LabelledMail("a", b"", GENERAL_RULES, **{name: tables.get(name, {}) for name in names})


def test_a_wrong_value_counts_against_precision_and_recall() -> None:
    score = Score()
    compare(score, labelled(expected={"order_number": "A-1"}), {"order_number": "A-2"})
    assert score.all == Tally(right=0, wrong=1, missed=1)
    assert score.faults == ["a: order_number: wrong: expected 'A-1', found 'A-2'"]


def test_a_value_that_the_label_does_not_have_is_wrong() -> None:
    score = Score()
    compare(score, labelled(optional={"phone": "+442079460018"}), {"name": "Dear Sir", "phone": "+442079460018"})
    assert score.all == Tally(right=0, wrong=1, missed=0)


def test_amounts_are_compared_as_numbers_and_texts_without_case() -> None:
    score = Score()
    mail = labelled(
        expected={"total": {"amount": "12", "currency": "EUR"}, "name": "Jane  Doe", "order_number": "A 1"},
        accepted={"order_number": ["A1"]},
    )
    compare(score, mail, {"total": {"amount": "12.00", "currency": "EUR"}, "name": "jane doe", "order_number": "A1"})
    assert score.all == Tally(right=3, wrong=0, missed=0)


def test_precision_and_recall_of_nothing_are_whole() -> None:
    assert (Tally().precision, Tally().recall) == (1, 1)
    assert Tally(right=3, wrong=1, missed=3).precision == 0.75
    assert Tally(right=3, wrong=1, missed=3).recall == 0.5


def test_a_label_file_with_an_unknown_field_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(b"Subject: a\r\n\r\nb\r\n")
    (tmp_path / "a.toml").write_text('[fields]\ncolour = "blue"\n')
    with pytest.raises(ValueError, match=r"a\.toml: colour: no such table or field"):
        list(load_mails(tmp_path))

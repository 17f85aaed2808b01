"""New text is told from quoted text; forwarded text is new."""

from itertools import pairwise

import pytest

from worker.reading.quotes import regions


def new(text: str, subject: str = "") -> str:
    return "".join(text[region.start : region.end] for region in regions(text, subject) if region.kind == "new").strip()


@pytest.mark.parametrize(
    "attribution",
    [
        "On Mon, Feb 2, 2026 at 10:00 AM Jane Doe <jane@a.example> wrote:",
        "On Mon, Feb 2, 2026 at 10:00 AM Jane Doe\n<jane@a.example> wrote:",
        "Am 02.02.2026 um 10:00 schrieb Jane Doe:",
        "Jane Doe <jane@a.example> schrieb am Mo., 2. Feb. 2026 um 10:00:",
        "Le lun. 2 févr. 2026 à 10:00, Jane Doe <jane@a.example> a écrit :",
        "El lun, 2 feb 2026 a las 10:00, Jane Doe (<jane@a.example>) escribió:",
        "Il giorno lun 2 feb 2026 alle ore 10:00 Jane Doe <jane@a.example> ha scritto:",
        "Op ma 2 feb 2026 om 10:00 schreef Jane Doe <jane@a.example>:",
        "-----Original Message-----",
        "-----Ursprüngliche Nachricht-----",
        "From: Jane Doe\nSent: Monday\nTo: Desk\nSubject: Claim",
        "Von: Jane Doe\nGesendet: Montag\nAn: Desk\nBetreff: Schaden",
        "De : Jane Doe\nEnvoyé : lundi\nÀ : Desk\nObjet : Sinistre",
    ],
)
def test_what_stands_below_an_attribution_is_quoted(attribution: str) -> None:
    assert new(f"Fresh words\n\n{attribution}\n\nold words") == "Fresh words"


def test_lines_with_a_bracket_are_quoted() -> None:
    assert new("mine\n> theirs\n>> older\nmine again") == "mine\nmine again"


def test_answers_below_a_quotation_are_new() -> None:
    assert new("On Mon, Feb 2, 2026 Jane <j@a.example> wrote:\n> question?\n\nanswer") == "answer"


@pytest.mark.parametrize(
    "mark",
    [
        "---------- Forwarded message ---------",
        "Begin forwarded message:",
        "-------- Weitergeleitete Nachricht --------",
        "---------- Message transféré ----------",
    ],
)
def test_what_was_forwarded_is_new_and_its_header_block_is_not(mark: str) -> None:
    text = f"FYI\n\n{mark}\nFrom: A <a@a.example>\nDate: 1 Feb 2026\nSubject: X\nTo: b@b.example\n\nPolicy: P-1"
    assert new(text).replace("\n", "") == "FYIPolicy: P-1"


def test_an_outlook_block_under_a_forwarding_subject_is_forwarded() -> None:
    text = "see below\n\nFrom: A\nSent: Monday\nTo: B\nSubject: X\n\nPolicy: P-1"
    assert new(text, "FW: X").endswith("Policy: P-1")
    assert new(text, "RE: X") == "see below"


def test_a_sentence_that_begins_with_on_is_no_attribution() -> None:
    assert new("On 2 February 2026 the pipe burst.\nPlease help.") == "On 2 February 2026 the pipe burst.\nPlease help."


def test_regions_cover_the_text_without_gaps() -> None:
    text = "a\n> b\n\nOn Mon, Feb 2, 2026 x <a@b.example> wrote:\nc\n"
    found = regions(text)
    assert found[0].start == 0
    assert found[-1].end == len(text)
    assert all(left.end == right.start for left, right in pairwise(found))

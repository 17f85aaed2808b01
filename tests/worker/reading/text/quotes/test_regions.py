"""New text is separated from quoted text; forwarded text is new."""

from itertools import pairwise

import pytest

from worker.reading.text.quotes import split_regions


def words(text: str, subject: str = "", kinds: tuple[str, ...] = ("new", "forwarded")) -> str:
    return "".join(text[start:end] for start, end in split_regions(text, subject).spans(*kinds)).strip()


def new(text: str, subject: str = "") -> str:
    return words(text, subject)


def kinds(text: str, subject: str = "") -> list[str]:
    return [region["kind"] for region in split_regions(text, subject).publish(text)]


def test_an_answer_is_the_new_line_below_a_quoted_question() -> None:
    text = "See below.\n\n> Which number?\n> Is it old?\nYes, A-1\nand more\n> Date:\n\n3 May\n> Thanks.\nBye"
    answers = [text[start:end] for start, end in split_regions(text).answers(text)]
    assert answers == ["> Is it old?\nYes, A-1", "> Date:\n\n3 May"]


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
        "---- On Mon, 02 Feb 2026 10:00:36 +0530 Jane <jane@a.example> wrote ---",
        "---- El lun, 02 feb 2026 10:00:36 +0100 Jane <jane@a.example> escribió ----",
        "2026-02-02 10:00 GMT+01:00 Jane Doe <jane@a.example>:",
        "2 Feb 2026 10:00, Jane Doe <jane@a.example> wrote:",
        "Feb 2, 2026, 10:00 AM, Jane Doe <jane@a.example> wrote:",
        "Mon, 2 Feb 2026 at 10:00, Jane Doe <jane@a.example> wrote:",
        "At 2/2/2026 10:00 PM, you wrote:",
        "Le lun. 2 févr. 2026 à 10:00, Jane Doe <jane@a.example> a écrit:",
        "Le 02/02/2026 10:00, Jane Doe <jane@a.example>a écrit :",
        "Le lundi 2 février 2026, Jane Doe\na écrit :",
        '02.02.2026, 10:00, "Jane Doe" <jane@a.example>:',
        "2 февр. 2026 г., в 10:00, Jane Doe <jane@a.example> написал(а):",
        "pon., 2 lut 2026 o 10:00 Jane Doe <jane@a.example> napisał(a):",
        "Jane Doe <jane@a.example>, 2 Şub 2026 Pzt, 10:00 tarihinde şunu yazdı:",
        "Jane Doe <jane@a.example> ezt írta (időpont: 2026. febr. 2., H, 10:00):",
        "Jane Doe <jane@a.example> 于2026年2月2日周一 10:00写道：",
        "man. 2. feb. 2026 kl. 10:00 skrev Jane Doe <jane@a.example>:",
        "Op 02-02-2026 om 10:00 heeft Jane Doe <jane@a.example> het volgende geschreven:",
        "Date: Mon, 2 Feb 2026 10:00\nFrom: Jane Doe <jane@a.example>\nTo: Desk\nSubject: Claim",
        "From: Jane Doe <jane@a.example>\nSent: Monday\nTo: Ann;\n Ben;\n Cid\nSubject: Claim",
        "Od: Jane Doe\nWysłano: poniedziałek\nDo: Desk\nTemat: Szkoda",
        "Feladó: Jane Doe\nDátum: hétfő\nCímzett: Desk\nTárgy: Kár",
    ],
)
def test_text_below_an_attribution_is_quoted(attribution: str) -> None:
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
def test_forwarded_text_is_new_but_its_header_block_is_not(mark: str) -> None:
    text = f"FYI\n\n{mark}\nFrom: A <a@a.example>\nDate: 1 Feb 2026\nSubject: X\nTo: b@b.example\n\nPolicy: P-1"
    assert new(text).replace("\n", "") == "FYIPolicy: P-1"
    assert kinds(text) == ["new", "forwarded"]


def test_an_outlook_block_under_a_forwarding_subject_is_forwarded() -> None:
    text = "see below\n\nFrom: A\nSent: Monday\nTo: B\nSubject: X\n\nPolicy: P-1"
    assert new(text, "FW: X").endswith("Policy: P-1")
    assert new(text, "RE: X") == "see below"


@pytest.mark.parametrize(
    "sentence",
    [
        "On 2 February 2026 the pipe burst.",
        "On 2 February 2026 I wrote:",
        "2 things that he wrote:",
        "Details as of 2 Feb 2026 10:00:",
        "Contact Jane <jane@a.example>:",
        "The documents forwarded to you:",
        "From: Oslo\nTo: Bergen",
        "From: Oslo\nTo: Bergen\nDate: 3 May",
        "Date: 3 May\nTo: Bergen\nSubject: a trip",
        "-- forwarding agent --",
    ],
)
def test_a_sentence_like_a_mark_begins_no_quotation(sentence: str) -> None:
    text = f"Hello\n{sentence}\nPlease help."
    assert words(text, kinds=("new", "forwarded", "signature")) == text


def test_regions_cover_the_text_without_gaps() -> None:
    text = "a\n> b\n\nOn Mon, Feb 2, 2026 x <a@b.example> wrote:\nc\n"
    found = split_regions(text).all
    assert found[0].start == 0
    assert found[-1].end == len(text)
    assert all(left.end == right.start for left, right in pairwise(found))


def test_published_regions_count_utf16_units_and_headings_belong_to_the_text_below() -> None:
    text = "\U0001f600\n\nOn Mon, Feb 2, 2026 Jane <j@a.example> wrote:\n> question"
    units = text.encode("utf-16-le")
    shown = [
        (region["kind"], units[2 * region["start"] : 2 * region["end"]].decode("utf-16-le"))
        for region in split_regions(text).publish(text)
    ]
    assert shown == [("new", "\U0001f600\n\n"), ("quoted", text[3:])]


def test_quotations_below_each_other_are_one_region() -> None:
    text = "mine\n\n> one\n\n> two\n\nmine again"
    assert kinds(text) == ["new", "quoted", "new"]


def test_text_after_a_quotation_within_a_quotation_is_new() -> None:
    text = (
        "On Mon, Feb 2, 2026 Jane <j@a.example> wrote:\n> On Sun, Feb 1, 2026 Dan <d@a.example> wrote:\n> > old\n\n"
        "answer"
    )
    assert new(text) == "answer"


def test_a_text_of_very_many_regions_is_published_with_a_bounded_number() -> None:
    text = "> a\nb\n" * 2_000
    found = split_regions(text).publish(text)
    assert len(found) == 1_000
    assert found[-1]["end"] == len(text)


def test_a_block_of_headers_with_nothing_above_is_forwarded() -> None:
    text = "From: Ann <ann@a.example>\nSent: Monday\nTo: Desk\nSubject: Claim\n\nPolicy: P-1"
    assert kinds(text) == ["forwarded"]


def test_words_below_a_forwarded_mail_with_brackets_are_new() -> None:
    text = (
        "> Begin forwarded message:\n>\n> From: A <a@a.example>\n> Subject: X\n> Date: 1 Feb 2026\n>\n> Policy: P-1\n"
        "> a wrapped\nline\n\nmine"
    )
    assert kinds(text) == ["forwarded", "new"]
    assert words(text, kinds=("new",)) == "mine"


def test_a_line_of_the_text_below_the_headers_is_no_header() -> None:
    text = "FYI\n\nFrom: A <a@a.example>\nSent: Monday\nSubject: X\n\nDate: 3 March 2025\nPolicy: P-1"
    assert new(text, "FW: X") == "FYI\n\n\nDate: 3 March 2025\nPolicy: P-1"

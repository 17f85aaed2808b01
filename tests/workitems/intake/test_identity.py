"""A mail gets the same id whatever way it comes in; another mail gets another id."""

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workitems.samples import mail
from workitems.intake.identity import HEADER_LIMIT, fingerprint, item_id, item_id_from_raw, message_key, scan_headers

PLAIN = mail(subject="Claim for a broken window")

SAME = {
    "line feeds alone": PLAIN.replace(b"\r\n", b"\n"),
    "carriage returns alone": PLAIN.replace(b"\r\n", b"\r"),
    "a byte order mark": b"\xef\xbb\xbf" + PLAIN,
    "empty lines in front": b"\r\n\r\n" + PLAIN,
    "an mbox line in front": b"From ann@example.com Sun Mar  1 09:30:00 2026\r\n" + PLAIN,
    "folded with a tab": PLAIN.replace(b"for a", b"for\r\n\ta"),
    "folded before the value": PLAIN.replace(b"Subject: ", b"Subject:\r\n "),
    "folded over a line of blanks": PLAIN.replace(b"for a", b"for\r\n \r\n a"),
    "a line of blanks after a header": PLAIN.replace(b"Message-ID", b"X-Spam: no\r\n \r\nMessage-ID"),
    "other case of the names": PLAIN.replace(b"Message-ID", b"MESSAGE-Id").replace(b"Subject", b"subject"),
    "blanks before the colon": PLAIN.replace(b"Subject:", b"Subject :"),
    "more headers": b"Received: from a by b\r\n" + PLAIN,
    "another order": b"\r\n".join([*reversed(PLAIN.split(b"\r\n\r\n")[0].split(b"\r\n")), b"", b"Hello.", b""]),
    "a second subject": PLAIN.replace(b"\r\n\r\n", b"\r\nSubject: another\r\n\r\n"),
    "another body": PLAIN.replace(b"Hello.", b""),
    "no body at all": PLAIN.split(b"\r\n\r\n")[0],
    "a line that is no header": b"this is no header\r\n" + PLAIN,
}

OTHER = {
    "Message-ID": mail("<two@example.com>"),
    "Subject": mail(subject="Claim for a broken door"),
    "Date": PLAIN.replace(b"09:30", b"09:31"),
    "From": PLAIN.replace(b"Ann <", b"Bob <"),
}


@pytest.mark.parametrize("way", SAME)
def test_the_same_mail_received_another_way_has_the_same_id(way: str) -> None:
    assert SAME[way] != PLAIN
    assert item_id("claims", SAME[way]) == item_id("claims", PLAIN)


@pytest.mark.parametrize("header", OTHER)
def test_a_mail_that_differs_in_an_identifying_header_has_another_id(header: str) -> None:
    assert item_id("claims", OTHER[header]) != item_id("claims", PLAIN)


def test_the_same_mail_in_another_mailbox_has_another_id() -> None:
    assert item_id("claims", PLAIN) != item_id("orders", PLAIN)


def test_the_border_between_two_headers_counts() -> None:
    assert item_id("claims", b"Message-ID: <a>\nDate: b c\n\n") != item_id(
        "claims", b"Message-ID: <a>\nDate: b\nFrom: c\n\n"
    )


@pytest.mark.parametrize("message_id", [None, "", "<>", "  ", "< >"])
def test_without_a_message_id_every_byte_of_the_mail_counts(message_id: str | None) -> None:
    one, two = mail(message_id, body="Meter 17"), mail(message_id, body="Meter 18")
    assert item_id("claims", one) != item_id("claims", two)
    assert item_id("claims", one) == item_id_from_raw("claims", one)


def test_the_body_is_not_searched_for_headers() -> None:
    raw = mail(None, body="Message-ID: <quoted@example.com>")
    assert b"message-id" not in scan_headers(raw)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("empty", [b"\n", b"\r\n", b"\r"])
def test_an_empty_line_ends_the_headers_however_lines_end(end: bytes, empty: bytes) -> None:
    raw = b"From: a" + end + b"Date: b" + end + empty + b"Subject: of the body" + end
    ended = (end, empty) != (b"\r", b"\n")  # together one line end
    assert scan_headers(raw).keys() == {b"from", b"date"} if ended else {b"from", b"date", b"subject"}


def test_ten_megabytes_of_header_cost_no_more_than_the_limit() -> None:
    for line in (b":\n", b"x" * 70 + b"\n", b" folded\n", b"\n", b"Subject: again and again\n"):
        raw = b"Message-ID: <one@example.com>\n" + line * (10_000_000 // len(line))
        tracemalloc.start()
        found = scan_headers(raw)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert found == scan_headers(raw[:HEADER_LIMIT])
        assert found[b"message-id"].startswith(b"<one@example.com>")
        assert peak < 80 * HEADER_LIMIT


def test_a_message_id_beyond_the_limit_does_not_count() -> None:
    raw = b"X: y\n" * (HEADER_LIMIT // 5 + 1) + PLAIN
    assert item_id("claims", raw) == item_id_from_raw("claims", raw)


@given(st.binary(max_size=300))
def test_any_bytes_have_an_id(raw: bytes) -> None:
    assert re.fullmatch("wi_[a-z2-7]{26}", item_id("claims", raw))
    assert re.fullmatch("[0-9a-f]{32}", fingerprint(raw))


words = st.lists(st.text("abc:<>@.=?-é", min_size=1, max_size=8), min_size=1, max_size=12)
folds = st.lists(st.sampled_from([" ", "\r\n ", "\n\t", "\r\n  ", "\r\n \r\n\t"]), min_size=12, max_size=12)


@given(words, folds)
def test_any_folding_gives_the_same_id(words: list[str], folds: list[str]) -> None:
    folded = "".join(word + fold for word, fold in zip(words, [*folds[: len(words) - 1], ""], strict=True))
    assert item_id("claims", mail(subject=folded)) == item_id("claims", mail(subject=" ".join(words)))


MESSAGE_IDS = ["<one@example.com>", "", "<" + "x" * 100_000 + ">", "<ä@b>", "\ud800", "\udcff"]


@pytest.mark.parametrize("text", MESSAGE_IDS)
def test_any_message_id_has_a_bounded_key(text: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", message_key(text))


def test_blanks_around_a_message_id_do_not_change_its_key() -> None:
    assert message_key(" <one@example.com>\r\n") == message_key("<one@example.com>") != message_key("<two@example.com>")

"""Results of SPF, DKIM and DMARC are read as the servers wrote them, and which server each is from."""

import pytest

from tests.worker.reading.mails import plain
from worker.reading import read


@pytest.mark.parametrize(
    ("value", "server", "results"),
    [
        ("mx.example; spf=pass smtp.mailfrom=a.example; dkim=fail (bad; signature) header.d=a.example; dmarc=none",
         "mx.example", {"spf": "pass", "dkim": "fail", "dmarc": "none"}),
        ("MX.example 1; dkim=fail header.d=a; dkim=pass header.d=b", "mx.example", {"dkim": "pass"}),
        ("mx.example; none", "mx.example", {}),
        ("mx.example;\r\n dmarc/1 = Pass (p=reject)\r\n header.from=a.example", "mx.example", {"dmarc": "pass"}),
        ("mx.example; auth=pass; iprev=pass", "mx.example", {}),
        ('"mx.example" 1; spf=none smtp.helo=a; spf=pass', "mx.example", {"spf": "pass"}),
        ("spf=pass smtp.mailfrom=a.example; dkim=pass;dmarc=pass a=b", "spf", {"dkim": "pass", "dmarc": "pass"}),
    ],
)  # fmt: skip
def test_a_field_gives_its_server_and_its_results(value: str, server: str, results: dict[str, str]) -> None:
    assert read(plain("x", head=f"Authentication-Results: {value}\r\n")).authentication == (
        {"server": server, "results": results},
    )


def test_the_topmost_field_comes_first() -> None:
    head = "Authentication-Results: b.example; spf=fail\r\nAuthentication-Results: a.example; spf=pass\r\n"
    assert [field["server"] for field in read(plain("x", head=head)).authentication] == ["b.example", "a.example"]


def test_at_most_twenty_fields_are_read() -> None:
    assert len(read(plain("x", head="Authentication-Results: a.example; spf=pass\r\n" * 50)).authentication) == 20


def test_a_broken_field_is_left_out() -> None:
    assert read(plain("x", head="Authentication-Results: ;;;=;\r\n")).authentication == ()


@pytest.mark.parametrize(
    "words",
    [
        'smtp.mailfrom="x; dmarc=pass "@evil.example',
        'smtp.mailfrom="\\"; dmarc=pass "@evil.example',
        "(of x (y); dmarc=pass (z) does not permit it)",
        "(of x \\); dmarc=pass y does not permit it)",
        'header.i="; dmarc=pass',
        "(of x; dmarc=pass y",
        "(" * 8_000 + "; dmarc=pass",
    ],
)
def test_words_of_the_sender_are_no_result(words: str) -> None:
    words = f"dkim=none {words}".replace("; ", ";\r\n ")
    for value, dmarc in ((f"dmarc=fail;\r\n {words}", "fail"), (f"{words};\r\n dmarc=fail", "fail"), (words, None)):
        [found] = read(plain("x", head=f"Authentication-Results: mx.example;\r\n {value}\r\n")).authentication
        assert found["results"].get("dmarc") == dmarc


@pytest.mark.parametrize("name", ["mx.example/x", "mx.example@x", "mx.example%00"])
def test_a_name_of_which_the_servers_is_a_part_is_another_one(name: str) -> None:
    assert read(plain("x", head=f"Authentication-Results: {name}; dmarc=pass\r\n")).authentication == ()

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

"""What strangers write into the head of a request takes little time, which grows with its length and no faster."""

import io
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest
from python_multipart.multipart import parse_options_header
from tornado.httputil import HTTPHeaders, HTTPInputError, HTTPServerRequest, RequestStartLine

from server.access.authentication import bearer_token
from server.access.client_address import client_address, is_https
from server.access.cookies import find_cookie, read_cookie
from server.access.cors import cors_headers, is_cross_site
from server.access.served_hosts import is_served
from server.connections.http_server import MAX_LINES, parse_head
from server.handlers.workitem import expected_version
from server.intake.sources import form
from server.intake.sources.form import is_form, read_form
from tests.support.cpu_time import cpu_seconds
from workitems.base.errors import TubepostError
from workitems.settings.redis_and_server import ServerSettings

PROXIES = ("127.0.0.1",)
SETTINGS = ServerSettings()

#: Characters of a header: nearly as many as a head may have, and half of it.
LONG = 15_000

#: Seconds that are never too many, so that the noise of a short measurement does not count.
SHORT = 0.001

#: Pieces of which hostile headers are made.
PIECES = (
    *(";", "; ", "a=b; ", 'a="', '";', "; a*0=b", "\\", '"', '"a", ', ",", ", ", "=", "1,", "a/b, ", "W/", "%41"),
    *("tubepost_session=", "tubepost_session", "127.0.0.1, ", "1.", "::", "[", "-", "0", " ", "\t", "x", "\xff"),
)


def make_request(**headers: str) -> HTTPServerRequest:
    connection = Mock()
    connection.context.remote_ip, connection.context.protocol = "127.0.0.1", "http"
    named = HTTPHeaders({"Host": "localhost:8888"} | {name.replace("_", "-"): each for name, each in headers.items()})
    return HTTPServerRequest(connection=connection, start_line=RequestStartLine("GET", "/", "HTTP/1.1"), headers=named)


#: Header → what we do with it.
READERS: dict[str, Callable[[str], Any]] = {
    "Authorization": lambda text: bearer_token(make_request(Authorization=text)),
    "Content-Type": is_form,
    "Cookie": lambda text: read_cookie("tubepost_session", make_request(Cookie=text), PROXIES),
    "Host": lambda text: is_served(text, SETTINGS),
    "If-Match": lambda text: expected_version(text, None),
    "Origin": lambda text: (cors_headers(text, ("https://a",)), is_cross_site(make_request(Origin=text), ())),
    "X-Forwarded-For": lambda text: client_address(make_request(X_Forwarded_For=text), PROXIES),
    "X-Forwarded-Proto": lambda text: is_https(make_request(X_Forwarded_Proto=text), PROXIES),
}


def seconds(work: Callable[[], object]) -> float:
    def tried() -> None:
        try:
            work()
        except (TubepostError, HTTPInputError):
            return

    return cpu_seconds(tried, runs=3)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("name", READERS)
def test_twice_the_header_takes_at_most_three_times_as_long(name: str, piece: str) -> None:
    read, text = READERS[name], piece * (LONG // len(piece))
    half, whole = (seconds(partial(read, part)) for part in (text[: LONG // 2], text))
    assert whole <= max(SHORT, 3 * half)


@pytest.mark.parametrize("piece", PIECES)
def test_a_cookie_is_found_in_linear_time_among_thousands_of_others(piece: str) -> None:
    many = "".join(f"n{n}{piece}=1; " for n in range(5_000))
    half, whole = (seconds(partial(find_cookie, part, "mine")) for part in (many[: len(many) // 2], many))
    assert whole <= max(SHORT, 3 * half)


def test_to_find_our_cookie_takes_a_small_part_of_the_time_to_parse_all() -> None:
    others = "; ".join(f"n{n}=1" for n in range(1_500))
    found = seconds(partial(find_cookie, others, "mine"))
    assert 5 * found < seconds(lambda: make_request(Cookie=others).cookies)


@pytest.mark.parametrize("piece", [";", "; a=b", '";', "; a*0=b", "; a*0*=%41"])
def test_a_header_with_thousands_of_parameters_is_not_parsed(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []

    def parse(header: bytes) -> tuple[bytes, dict[bytes, bytes]]:
        parsed.append(header)
        return parse_options_header(header)

    monkeypatch.setattr(form, "parse_options_header", parse)
    many = piece * (LONG // len(piece))
    assert is_form(f"Multipart/Form-Data;{many}")
    head = f"Content-Disposition: form-data; name=a{many}".encode()
    body = b"--b\r\n" + head + b"\r\n\r\nx\r\n--b--\r\n"
    found = read_form("multipart/form-data; boundary=b", io.BytesIO(body), io.BytesIO())
    assert [field.name for field in found.fields] == [""]
    assert parsed == [b"multipart/form-data; boundary=b"]


@pytest.mark.parametrize("line", [b"a:\r\n", b"a: b\r\n", b" folded\r\n"])
def test_a_head_of_thousands_of_lines_is_refused_before_it_is_parsed(line: bytes) -> None:
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + line * 3_000 + b"\r\n"
    with pytest.raises(HTTPInputError, match="too many"):
        parse_head(head)
    start, headers = parse_head(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (MAX_LINES - 2) + b"\r\n")
    assert (start, len(headers.get_list("A"))) == ("GET / HTTP/1.1", MAX_LINES - 2)

"""Every kind of answer has the headers that protect the person in the browser, whoever writes it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders
from tornado.web import Application

from server.app import make_application
from server.connections.http_server import _TOO_MANY
from server.context import Context
from server.handlers.page import static_version
from server.http.body_limit import MAX_OPEN_BODY_BYTES
from server.http.security_headers import SECURITY_HEADERS
from tests.server.conftest import TOKEN, make_settings
from tests.server.handlers.conftest import publish
from tests.server.handlers.test_base import Away, Broken
from tests.support.waiting import PATIENCE
from workitems.intake.origin import MailOrigin
from workitems.settings import Settings

__all__ = ["publish"]

RAW = b"Subject: A claim\n\nText\n"
ORIGIN = "https://app.example.com"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
STATIC = "/static/VERSION/js/main.js"
MAIL = {"Content-Type": "message/rfc822"}

#: Status, method, path, headers, body. ITEM, PUT, VERSION, SESSION and ETAG are replaced.
Asked = tuple[int, str, str, Mapping[str, str], bytes]
ANSWERS: list[Asked] = [
    (200, "GET", "/", {"Cookie": "SESSION"}, b""),
    (303, "GET", "/", {}, b""),
    (200, "GET", "/login", {}, b""),
    (303, "GET", f"/login?token={TOKEN}", {}, b""),
    (403, "POST", "/login", {"Content-Type": "application/x-www-form-urlencoded"}, b"user=a"),
    (400, "POST", "/login", {"Content-Type": "multipart/form-data; boundary=b"}, b"--b--"),
    (413, "POST", "/login", {}, b"x" * (MAX_OPEN_BODY_BYTES + 1)),
    (303, "POST", "/logout", {}, b""),
    (204, "POST", "/api/csp-report", {}, b'{"csp-report": {"effective-directive": "script-src"}}'),
    (422, "POST", "/api/csp-report", {}, b"{}"),
    (200, "GET", "/static/js/stream.js", {}, b""),
    (200, "GET", STATIC, {}, b""),
    (206, "GET", STATIC, {"Range": "bytes=0-9"}, b""),
    (416, "GET", STATIC, {"Range": "bytes=99999999-"}, b""),
    (304, "GET", STATIC, {"If-None-Match": "ETAG"}, b""),
    (404, "GET", "/static/VERSION/js/nothing.js", {}, b""),
    (404, "GET", "/nothing", {}, b""),
    (405, "DELETE", "/healthz", {}, b""),
    (405, "TRACE", "/healthz", {}, b""),
    (421, "GET", "/healthz", {"Host": "evil.example"}, b""),
    (200, "GET", "/healthz", {}, b""),
    (200, "GET", "/readyz", {}, b""),
    (200, "GET", "/metrics", {}, b""),
    (401, "GET", "/api/workitems", {}, b""),
    (200, "GET", "/api/workitems", BEARER, b""),
    (422, "GET", "/api/workitems?limit=x", BEARER, b""),
    (200, "GET", "/api/workitems/ITEM", BEARER, b""),
    (200, "GET", "/api/workitems/ITEM/message", BEARER, b""),
    (200, "GET", "/api/workitems/ITEM/attachments/1", BEARER, b""),
    (404, "GET", "/api/workitems/ITEM/attachments/2", BEARER, b""),
    (200, "GET", "/api/workitems/PUT/raw", BEARER, b""),
    (202, "GET", "/api/workitems/PUT", BEARER, b""),
    (409, "PATCH", "/api/workitems/ITEM", BEARER | {"If-Match": '"99"'}, b'{"status": "done"}'),
    (202, "POST", "/api/email/intake", BEARER | MAIL, RAW),
    (415, "POST", "/api/email/intake", BEARER, RAW),
    (413, "POST", "/api/email/intake", BEARER | MAIL, b"x" * 70_000),
    (404, "POST", "/api/email/intake/nobody", {}, b"x"),
    (200, "GET", "/api/docs", {}, b""),
    (204, "OPTIONS", "/api/workitems", {"Origin": ORIGIN}, b""),
    (500, "GET", "/broken", BEARER, b""),
    (503, "GET", "/away", BEARER, b""),
    (200, "HEAD", "/sse/workitems", BEARER, b""),
    (200, "GET", "/sse/workitems", BEARER, b""),
    (401, "GET", "/sse/workitems", {}, b""),
    (406, "GET", "/sse/workitems", BEARER | {"Accept": "image/png"}, b""),
]

#: What some answers have in the place of the usual value.
OTHERS = {
    "Referrer-Policy": {"strict-origin", "no-referrer"},
    "Cross-Origin-Resource-Policy": {"cross-origin"},
    "Cache-Control": {"no-cache", "private, no-store", "no-cache, no-store, no-transform", "public, max-age=300",
                      "public, max-age=31536000, immutable"},
}  # fmt: skip


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    server = {"allowed_origins": [ORIGIN], "trusted_proxies": ["127.0.0.1"]}
    return make_settings(redis_url, tmp_path, server=server, intake={"max_mail_bytes": 65_536})


@pytest.fixture
def app(context: Context) -> Application:
    app = make_application(context)
    app.add_handlers(".*", [(r"/broken", Broken, {"context": context}), (r"/away", Away, {"context": context})])
    return app


@pytest.fixture
def port(http_server: Any, http_server_port: tuple[Any, int]) -> int:
    assert http_server
    return http_server_port[1]


async def ask(port: int, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, HTTPHeaders]:
    """Return the status and the headers of an answer."""
    sent = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body))} | dict(headers)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write("\r\n".join(lines).encode() + body)
            return parse(await reader.readuntil(b"\r\n\r\n"))
    finally:
        writer.close()
        await writer.wait_closed()


def parse(head: bytes) -> tuple[int, HTTPHeaders]:
    first, *lines = head.decode().strip().split("\r\n")
    return int(first.split()[1]), HTTPHeaders(
        {name: value for name, _, value in (each.partition(": ") for each in lines)}
    )


def faults(headers: HTTPHeaders, *, has_content: bool = True) -> list[str]:
    """Return the names of security headers that are missing or wrong."""
    found = [
        name
        for name, value in SECURITY_HEADERS.items()
        if headers.get(name) != value and headers.get(name) not in OTHERS.get(name, set())
    ]
    policy = "Content-Security-Policy"
    if policy in found and (not has_content or "default-src 'none'" in headers.get(policy, "")):
        found.remove(policy)
    return found + [name for name in ("Server",) if name in headers]


async def replaced(asked: Asked, context: Context, publish: Any, port: int) -> Asked:
    """Return *asked* for an item, a mail, a session and a file that exist."""
    status, method, path, headers, body = asked
    if "ITEM" in path:
        item_id = await publish(reading={"html": "<p>x</p>", "attachments": [{"n": 1, "name": "a"}]}, files=[b"abc"])
        path = path.replace("ITEM", item_id)
    if "PUT" in path:
        origin = MailOrigin(mailbox="a", arrived=datetime.now(UTC), source="imap", size=len(RAW))
        path = path.replace("PUT", (await context.intake.put(RAW, origin)).id)
    path = path.replace("VERSION", static_version())
    session = context.auth.sign_in_by_token(TOKEN) or ""
    headers = {name: value.replace("SESSION", f"tubepost_session_{port}={session}") for name, value in headers.items()}
    if "If-None-Match" in headers:
        _, found = await ask(port, "GET", path, {}, b"")
        headers["If-None-Match"] = found["Etag"]
    return status, method, path, headers, body


async def test_every_answer_has_the_security_headers_and_by_tls_asks_for_tls_from_now_on(
    context: Context, publish: Any, port: int
) -> None:
    wrong = {}
    for each in ANSWERS:
        status, method, path, headers, body = await replaced(each, context, publish, port)
        by_tls = {name: value.replace("tubepost_", "__Host-tubepost_", 1) for name, value in headers.items()}
        for sent, wanted in ((headers, None), (by_tls | {"X-Forwarded-Proto": "https"}, "max-age=31536000")):
            found, answered = await ask(port, method, path, sent, body)
            missing = faults(answered, has_content=status != 304)
            if (found, answered.get("Strict-Transport-Security"), missing) != (status, wanted, []):
                wrong[each[:3], wanted] = found, answered.get("Strict-Transport-Security"), missing
    assert wrong == {}


async def test_a_stream_that_is_refused_has_them_too(context: Context, port: int) -> None:
    context.hub.ready.clear()
    for client, status in (({}, 200), ({"X-Tubepost-Client": "1"}, 503)):
        by_tls = {"X-Forwarded-Proto": "https"}
        found, headers = await ask(port, "GET", "/sse/workitems", BEARER | client | by_tls, b"")
        assert (found, faults(headers)) == (status, [])
        assert headers["Strict-Transport-Security"]


def test_the_answer_to_an_address_with_too_many_connections_has_them_and_no_content() -> None:
    status, headers = parse(_TOO_MANY)
    assert (status, headers["Content-Length"], faults(headers)) == (429, "0", [])
    assert _TOO_MANY.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("head", ["GET / HTTP/9.9\r\n\r\n", "nonsense\r\n\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"])
async def test_what_tornado_answers_to_a_malformed_head_has_no_content(head: str, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode())
    async with asyncio.timeout(PATIENCE):
        assert await reader.read() in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()
    await writer.wait_closed()

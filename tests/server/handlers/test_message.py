"""A mail for display, its raw form, and its attachments."""

import asyncio
from datetime import UTC, datetime
from email import message_from_string, policy
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.context import Context
from server.http.content_disposition import MAX_FILE_NAME, content_disposition, file_name
from tests.server.conftest import TOKEN
from tests.server.handlers.conftest import Call, error
from workitems.intake.origin import MailOrigin

EVIL = "../../etc/pass\r\nSet-Cookie: a=b\u202e<wd>.html"


def reading(**more: Any) -> dict[str, Any]:
    files = [{"n": 1, "name": EVIL, "type": "text/html", "size": 3, "inline": False}]
    return {"text": "1 < 2 & <b>", "html": "", "attachments": files} | more


async def test_html_is_shown_in_a_sandbox(call: Call, publish: Any) -> None:
    item_id = await publish(reading=reading(html="<p>Hello</p>"))
    response = await call("GET", f"/api/workitems/{item_id}/message")
    policies = response.headers["Content-Security-Policy"]
    assert response.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert b"<p>Hello</p>" in response.body
    assert "default-src 'none'" in policies
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policies
    assert "frame-ancestors 'self'" in policies
    assert "script" not in policies
    assert "allow-same-origin" not in policies
    assert "https:" not in policies
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "private, no-store"


async def test_images_load_only_on_request_and_by_https(call: Call, publish: Any) -> None:
    item_id = await publish(reading=reading(html="<p>Hello</p>"))
    policies = (await call("GET", f"/api/workitems/{item_id}/message?images=1")).headers["Content-Security-Policy"]
    assert "img-src data: https:;" in policies
    assert "http: " not in policies


async def test_a_mail_without_html_is_shown_as_its_text(call: Call, publish: Any) -> None:
    item_id = await publish(reading=reading())
    assert b"1 &lt; 2 &amp; &lt;b&gt;" in (await call("GET", f"/api/workitems/{item_id}/message")).body


@pytest.mark.parametrize("part", ["message", "raw", "attachments/1"])
async def test_an_item_without_a_mail_has_no_message(call: Call, publish: Any, part: str) -> None:
    assert error(await call("GET", f"/api/workitems/{await publish()}/{part}")) == (404, "not_found", None)
    assert error(await call("GET", f"/api/workitems/wi_{'a' * 26}/{part}")) == (404, "not_found", None)


@pytest.mark.parametrize("part", ["message", "raw", "attachments/1"])
async def test_mails_need_the_scope_read(call: Call, publish: Any, context: Context, part: str) -> None:
    path = f"/api/workitems/{await publish(reading=reading(), files=[b'abc'])}/{part}"
    key = await context.auth.accounts.add_key("scanner", ["intake", "write"])
    assert (await call("GET", path, token=None)).code == 401
    assert (await call("GET", path, token=key)).code == 403


async def test_the_raw_mail_is_a_download_of_the_same_bytes(call: Call, context: Context) -> None:
    raw = b"Subject: x\n\n\x00\xff<script>"
    receipt = await context.intake.put(
        raw, MailOrigin(mailbox="a", arrived=datetime.now(UTC), source="imap", size=len(raw))
    )
    response = await call("GET", f"/api/workitems/{receipt.id}/raw")
    assert response.body == raw
    assert response.headers["Content-Type"] == "message/rfc822"
    assert response.headers["Content-Disposition"].startswith(f'attachment; filename="{receipt.id}.eml"')
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_attachment_is_a_download_whatever_it_claims_to_be(call: Call, publish: Any) -> None:
    content = bytes(range(256)) * 4096
    item_id = await publish(reading=reading(), files=[content])
    response = await call("GET", f"/api/workitems/{item_id}/attachments/1")
    assert response.body == content
    assert response.headers["Content-Length"] == str(len(content))
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    disposition = response.headers["Content-Disposition"]
    assert disposition.startswith("attachment; ")
    assert ".." not in disposition
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("n", ["0", "2", "9999"])
async def test_an_absent_attachment_gives_404(call: Call, publish: Any, n: str) -> None:
    item_id = await publish(reading=reading(), files=[b"abc"])
    assert error(await call("GET", f"/api/workitems/{item_id}/attachments/{n}")) == (404, "not_found", None)


async def test_a_client_that_closes_during_a_download_does_no_harm(
    call: Call, publish: Any, http_server_port: tuple[Any, int]
) -> None:
    path = f"/api/workitems/{await publish(reading=reading(), files=[bytes(8_000_000)])}/attachments/1"
    reader, writer = await asyncio.open_connection("127.0.0.1", http_server_port[1])
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
    assert (await reader.read(1000)).startswith(b"HTTP/1.1 200")
    writer.close()
    assert len((await call("GET", path)).body) == 8_000_000


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("report.pdf", "report.pdf"),
        ("C:\\fake\\report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("a\r\nb.txt", "ab.txt"),
        ("..", ""),
        ("  ", ""),
        ("Übersicht – 2025.pdf", "Übersicht – 2025.pdf"),
        ("x" * 500 + ".pdf", "x" * (MAX_FILE_NAME - 4) + ".pdf"),
        ('q"uo<te>.pdf', "q_uo_te_.pdf"),
    ],
)
def test_file_names_of_strangers_are_made_harmless(name: str, shown: str) -> None:
    assert file_name(name) == shown
    assert f"filename*=UTF-8''{quote(shown or 'fallback', safe='!#$&+-.^_`|~')}" in content_disposition(
        name, "fallback"
    )


@given(st.text(max_size=400))
def test_any_file_name_makes_one_valid_header(name: str) -> None:
    value = content_disposition(name, "fallback")
    assert value.isascii()
    assert value.isprintable()
    message = message_from_string(f"Content-Disposition: {value}\n\n", policy=policy.default)
    assert message.get_content_disposition() == "attachment"

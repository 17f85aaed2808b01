"""Uploads of mail."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from server.context import Context
from server.handlers import upload_base as module
from server.http.schemas import SCHEMAS
from server.intake.uploads import CONCURRENT_UPLOADS
from tests.server.conftest import TOKEN, make_settings
from tests.server.handlers.conftest import PATIENCE, Call, body, error, until
from worker.reading import read
from worker.reading.attachments.library_guard import NO_CONTENT, UNDECODABLE
from workitems.base.errors import IntakeFullError, StoreUnavailableError
from workitems.settings import Settings

PATH = "/api/email/intake"
RAW = b"Message-ID: <m1@example.com>\r\nFrom: a@example.com\r\nSubject: x\r\n\r\nbody\r\n"
MAIL = {"Content-Type": "message/rfc822"}
JSON = {"Content-Type": "application/json"}
LARGEST = 100_000


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, intake={"max_mail_bytes": LARGEST, "max_waiting": 5})


async def test_an_uploaded_mail_is_stored_unchanged_and_waits_to_be_read(call: Call, context: Context) -> None:
    response = await call("POST", PATH, body=RAW, headers=MAIL)
    assert response.code == 202
    result = body(response)
    assert result["status"] == "success"
    assert result["duplicate"] is False
    (stored,) = await context.mailstore.get_raw_mails(result["workitem_id"])
    assert stored.raw == RAW
    assert (stored.sidecar.mailbox, stored.sidecar.source) == ("intake", "http")
    assert await context.intake.count_waiting() == 1
    assert (await call("GET", f"/api/workitems/{result['workitem_id']}")).code == 202


async def test_the_same_mail_uploaded_again_is_a_duplicate(call: Call, context: Context) -> None:
    first = body(await call("POST", PATH, body=RAW, headers=MAIL))
    second = body(await call("POST", PATH, body=RAW, headers=MAIL))
    assert second == {"status": "success", "workitem_id": first["workitem_id"], "duplicate": True}
    assert await context.intake.count_waiting() == 1


async def test_query_or_body_name_the_mailbox_and_another_mailbox_gives_another_item(
    call: Call, context: Context
) -> None:
    ids = {
        body(await call("POST", f"{PATH}?mailbox={name}", body=RAW, headers=MAIL))["workitem_id"] for name in ("a", "b")
    }
    assert len(ids) == 2
    json_mail = {"from": "a@example.com", "text": "x", "mailbox": "claims"}
    result = body(await call("POST", f"{PATH}?mailbox=a", json=json_mail, headers=JSON))
    assert (await context.mailstore.get_raw_mails(result["workitem_id"]))[0].sidecar.mailbox == "claims"


async def test_json_without_a_message_id_is_a_new_mail_each_time_and_with_one_the_same(call: Call) -> None:
    json_mail = {"from_email": "a@example.com", "subject": "Grüße", "body": "x", "to": "b@example.com"}
    ids = [body(await call("POST", PATH, json=json_mail, headers=JSON)) for _ in range(2)]
    assert ids[0]["workitem_id"] != ids[1]["workitem_id"]
    named = [body(await call("POST", PATH, json=json_mail | {"message_id": "1@x"}, headers=JSON)) for _ in range(2)]
    assert named[0]["workitem_id"] == named[1]["workitem_id"]
    assert [result["duplicate"] for result in named] == [False, True]


async def test_json_and_the_mail_composed_from_it_are_one_mail(call: Call, context: Context) -> None:
    json_mail = {"from": "a@example.com", "text": "x", "message_id": "1@x"}
    first = body(await call("POST", PATH, json=json_mail, headers=JSON))
    (stored,) = await context.mailstore.get_raw_mails(first["workitem_id"])
    again = body(await call("POST", PATH, body=stored.raw, headers=MAIL))
    assert again == first | {"duplicate": True}


@pytest.mark.parametrize("size", [10, 60_000])
async def test_small_and_large_attachments_are_stored_completely(call: Call, context: Context, size: int) -> None:
    content = base64.b64encode(b"x" * size).decode()
    json_mail = {"from": "a@example.com", "attachments": [{"filename": "a.bin", "content": content}]}
    result = body(await call("POST", PATH, json=json_mail, headers=JSON))
    raw = (await context.mailstore.get_raw_mails(result["workitem_id"]))[0].raw
    assert raw.replace(b"\r\n", b"").count(content.encode()) == 1


@pytest.mark.parametrize("large", [False, True])
async def test_a_file_that_cannot_be_decoded_is_a_warning_that_names_it(
    call: Call, context: Context, monkeypatch: Any, large: bool
) -> None:
    monkeypatch.setattr("server.intake.uploads.MAX_MEMORY_BYTES", 100 if large else LARGEST)
    files = [
        {"filename": "a.pdf", "content": "%%%"},
        {"filename": "b.bin", "content": "QQ"},
        {"filename": "c" * 200 + "\ud800", "content": None},
        {"filename": "d.bin"},
    ]
    response = await call("POST", PATH, json={"from": "a@example.com", "attachments": files}, headers=JSON)
    assert response.code == 202
    warnings = body(response)["warnings"]
    assert [(warning["field"], warning["filename"]) for warning in warnings] == [
        ("attachments[0].content", "a.pdf"), ("attachments[2].content", "c" * 100), ("attachments[3].content", "d.bin"),
    ]  # fmt: skip
    assert ["base64" in warning["message"] for warning in warnings] == [True] * 3
    Draft202012Validator(SCHEMAS["Receipt"]).validate(body(response))
    (stored,) = await context.mailstore.get_raw_mails(body(response)["workitem_id"])
    assert [file.unread for file in read(stored.raw).attachments] == [UNDECODABLE, None, NO_CONTENT, NO_CONTENT]


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ("", None),
        ("[]", None),
        ("{", None),
        ('{"from":"a@b.c","text":"x","txet":1}', "txet"),
        ('{"text":"x"}', "from"),
        ('{"from":"a@b.c"}', "text"),
        ('{"from":"a@b.c","subject":"a\\r\\nBcc: x@y.z"}', "subject"),
        ('{"from":"a@b.c","subject":"a\\u0000"}', "subject"),
        ('{"from":"a@b.c","text":"x","mailbox":"A b"}', "mailbox"),
        ('{"from":"a@b.c","text":"x","mailbox":7}', "mailbox"),
        ('{"from":"a@b.c","attachments":[{"content":"QQ==","contnet":1}]}', "attachments[0]"),
        ("[" * 90_000, None),
    ],
)
async def test_an_error_names_the_wrong_value_and_nothing_is_stored(
    call: Call, context: Context, raw: str, field: str | None
) -> None:
    assert error(await call("POST", PATH, body=raw, headers=JSON)) == (422, "invalid", field)
    assert await context.intake.count_waiting() == 0


async def test_an_empty_mail_and_a_wrong_mailbox_are_refused(call: Call) -> None:
    assert error(await call("POST", PATH, body=b"", headers=MAIL)) == (422, "invalid", None)
    assert error(await call("POST", f"{PATH}?mailbox=..", body=RAW, headers=MAIL)) == (422, "invalid", "mailbox")


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ""]
)
async def test_other_content_types_are_refused(call: Call, kind: str) -> None:
    response = await call("POST", PATH, body=RAW, headers={"Content-Type": kind})
    assert error(response) == (415, "unsupported_media_type", None)


async def test_a_compressed_body_is_refused(call: Call) -> None:
    response = await call("POST", PATH, body=RAW, headers=MAIL | {"Content-Encoding": "gzip"})
    assert error(response) == (415, "unsupported_media_type", None)


async def test_an_upload_needs_the_scope_intake(call: Call, context: Context) -> None:
    people = context.auth.accounts
    assert (
        await call("POST", PATH, token=await people.add_key("a", ["read", "write"]), body=RAW, headers=MAIL)
    ).code == 403
    assert (await call("POST", PATH, token=await people.add_key("b", ["intake"]), body=RAW, headers=MAIL)).code == 202
    assert (await call("POST", PATH, token=None, body=RAW, headers=MAIL)).code == 401


async def test_a_mail_of_the_largest_size_is_accepted_and_one_byte_more_is_not(call: Call, context: Context) -> None:
    head = b"Message-ID: <m2@example.com>\r\n\r\n"
    assert (await call("POST", PATH, body=head + b"x" * (LARGEST - len(head)), headers=MAIL)).code == 202
    response = await call("POST", PATH, body=head + b"x" * (LARGEST - len(head) + 1), headers=MAIL)
    assert error(response) == (413, "too_large", None)
    assert str(LARGEST)[:3] in body(response)["error"]["message"]
    assert context.uploads.known_budget.reserved_bytes == 0


async def test_a_mail_that_becomes_too_large_when_composed_is_refused(call: Call) -> None:
    json_mail = {"from": "a@example.com", "text": "x" * (LARGEST - 1_000)}
    assert error(await call("POST", PATH, json=json_mail, headers=JSON)) == (413, "too_large", None)


async def _conversation(port: int, head: str, send: bytes = b"", times: int = 1) -> tuple[bytes, int]:
    """Return what a plain client reads while it is still sending, and how many pieces it could send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: message/rfc822\r\n{head}\r\n\r\n".encode())
    sent, result = 0, b""
    try:
        for _ in range(times):
            writer.write(send)
            await writer.drain()
            sent += 1
        async with asyncio.timeout(PATIENCE):
            result = await reader.read(64 * 1024)
    except ConnectionError:
        result = result or await reader.read(64 * 1024)
    finally:
        writer.close()
    return result, sent


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"Authorization: Bearer {TOKEN}\r\nContent-Length: 50000000", b"413"),
        (f"Authorization: Bearer {TOKEN}\r\nContent-Length: 99999999999999", b"413"),
        ("Content-Length: 50000000", b"401"),
        (f"Authorization: Bearer {TOKEN}\r\nContent-Length: 50000000\r\nExpect: 100-continue", b"413"),
    ],
)
async def test_a_body_is_refused_before_it_is_sent(
    http_server_port: Any, http_server: Any, head: str, status: bytes
) -> None:
    result, _ = await _conversation(http_server_port[1], head)
    assert result.startswith(b"HTTP/1.1 " + status)
    assert b'{"error":' in result


async def test_a_client_that_continues_to_send_still_reads_the_refusal(
    http_server_port: Any, http_server: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, "LINGER", PATIENCE)  # a busy machine takes its time to send 20 MB
    head = f"Authorization: Bearer {TOKEN}\r\nContent-Length: 20000000"
    result, sent = await _conversation(http_server_port[1], head, b"x" * 100_000, 200)
    assert result.startswith(b"HTTP/1.1 413")
    assert sent == 200


async def test_a_body_without_a_length_is_refused_once_it_is_too_large(http_server_port: Any, http_server: Any) -> None:
    chunk = b"%x\r\n%s\r\n" % (10_000, b"x" * 10_000)
    head = f"Authorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked"
    result, _ = await _conversation(http_server_port[1], head, chunk, 30)
    assert result.startswith(b"HTTP/1.1 413")
    assert result.count(b"HTTP/1.1") == 1


async def test_a_body_without_a_length_is_accepted(http_server_port: Any, http_server: Any) -> None:
    head = f"Authorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked"
    result, _ = await _conversation(http_server_port[1], head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(RAW), RAW))
    assert result.startswith(b"HTTP/1.1 202")


async def test_a_refused_connection_is_closed_after_a_while(
    http_server_port: Any, http_server: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, "LINGER", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", http_server_port[1])
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE):
        assert (await reader.read()).startswith(b"HTTP/1.1 401")
    writer.close()


async def test_the_bytes_of_simultaneous_bodies_are_bounded_and_all_are_released(
    call: Call, context: Context, http_server_port: Any, http_server: Any
) -> None:
    started = []
    for _ in range(CONCURRENT_UPLOADS):
        _, writer = await asyncio.open_connection("127.0.0.1", http_server_port[1])
        head = f"Authorization: Bearer {TOKEN}\r\nContent-Type: message/rfc822\r\nContent-Length: {LARGEST}"
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\nx".encode())
        started.append(writer)
    await until(lambda: context.uploads.known_budget.reserved_bytes == CONCURRENT_UPLOADS * LARGEST)
    refused = await call("POST", PATH, body=RAW, headers=MAIL)
    assert error(refused) == (503, "busy", None)
    assert int(refused.headers["Retry-After"]) >= 1
    for writer in started:
        writer.close()
    await until(lambda: not context.uploads.known_budget.reserved_bytes)
    assert (await call("POST", PATH, body=RAW, headers=MAIL)).code == 202


@pytest.mark.parametrize(
    ("fault", "code"),
    [(IntakeFullError("5 mails wait"), "intake_full"), (StoreUnavailableError("disk full"), "store_unavailable")],
)
async def test_a_mail_that_cannot_be_stored_gets_503_and_retry_after(
    call: Call, context: Context, monkeypatch: Any, fault: Exception, code: str
) -> None:
    async def broken(*_: Any) -> None:
        raise fault

    monkeypatch.setattr(type(context.intake), "put", broken)
    response = await call("POST", PATH, body=RAW, headers=MAIL)
    assert error(response) == (503, code, None)
    assert int(response.headers["Retry-After"]) >= 1


async def test_a_full_intake_refuses_and_loses_nothing(call: Call, context: Context) -> None:
    json_mail = {"from": "a@example.com", "text": "x"}
    answers = [await call("POST", PATH, json=json_mail, headers=JSON) for _ in range(7)]
    assert [answer.code for answer in answers] == [202] * 5 + [503] * 2
    assert context.sources.counts == {("intake", "new"): 5, ("intake", "503"): 2}
    assert error(answers[-1]) == (503, "intake_full", None)


async def test_json_is_read_as_utf_8_with_or_without_a_byte_order_mark(call: Call, context: Context) -> None:
    json_mail = json.dumps({"from": "a@example.com", "text": "Grüße"}, ensure_ascii=False)
    for raw in (json_mail.encode(), json_mail.encode("utf-8-sig")):
        assert (
            await call("POST", PATH, body=raw, headers=JSON | {"Content-Type": "Application/JSON; charset=x"})
        ).code == 202
    assert error(await call("POST", PATH, body=json_mail.encode("latin-1"), headers=JSON)) == (422, "invalid", None)

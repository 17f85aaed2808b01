"""Mail that is posted."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from server.context import Context
from server.handlers import post as module
from server.posting import AT_ONCE
from tests.server.conftest import TOKEN, make_settings
from tests.server.handlers.conftest import Call, body, error
from workitems.errors import IntakeFullError, StoreUnavailableError
from workitems.settings import Settings

PATH = "/api/email/intake"
RAW = b"Message-ID: <m1@example.com>\r\nFrom: a@example.com\r\nSubject: x\r\n\r\nbody\r\n"
MAIL = {"Content-Type": "message/rfc822"}
JSON = {"Content-Type": "application/json"}
LARGEST = 100_000


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, intake={"largest": LARGEST, "most": 5})


async def test_a_posted_mail_is_stored_as_it_came_and_waits_to_be_read(call: Call, context: Context) -> None:
    response = await call("POST", PATH, body=RAW, headers=MAIL)
    assert response.code == 202
    told = body(response)
    assert told["status"] == "success"
    assert told["duplicate"] is False
    (stored,) = await context.mailstore.get(told["workitem_id"])
    assert stored.raw == RAW
    assert (stored.sidecar.mailbox, stored.sidecar.source) == ("intake", "http")
    assert await context.intake.waiting() == 1
    assert (await call("GET", f"/api/workitems/{told['workitem_id']}")).code == 202


async def test_the_same_mail_again_is_a_duplicate(call: Call, context: Context) -> None:
    first = body(await call("POST", PATH, body=RAW, headers=MAIL))
    second = body(await call("POST", PATH, body=RAW, headers=MAIL))
    assert second == {"status": "success", "workitem_id": first["workitem_id"], "duplicate": True}
    assert await context.intake.waiting() == 1


async def test_a_mailbox_is_named_by_query_or_body_and_makes_another_item(call: Call, context: Context) -> None:
    ids = {
        body(await call("POST", f"{PATH}?mailbox={name}", body=RAW, headers=MAIL))["workitem_id"] for name in ("a", "b")
    }
    assert len(ids) == 2
    letter = {"from": "a@example.com", "text": "x", "mailbox": "claims"}
    told = body(await call("POST", f"{PATH}?mailbox=a", json=letter, headers=JSON))
    assert (await context.mailstore.get(told["workitem_id"]))[0].sidecar.mailbox == "claims"


async def test_json_without_an_id_is_a_new_mail_each_time_and_with_one_the_same(call: Call) -> None:
    letter = {"from_email": "a@example.com", "subject": "Grüße", "body": "x", "to": "b@example.com"}
    ids = [body(await call("POST", PATH, json=letter, headers=JSON)) for _ in range(2)]
    assert ids[0]["workitem_id"] != ids[1]["workitem_id"]
    named = [body(await call("POST", PATH, json=letter | {"message_id": "1@x"}, headers=JSON)) for _ in range(2)]
    assert named[0]["workitem_id"] == named[1]["workitem_id"]
    assert [told["duplicate"] for told in named] == [False, True]


async def test_json_and_the_mail_that_it_becomes_are_one_mail(call: Call, context: Context) -> None:
    letter = {"from": "a@example.com", "text": "x", "message_id": "1@x"}
    first = body(await call("POST", PATH, json=letter, headers=JSON))
    (stored,) = await context.mailstore.get(first["workitem_id"])
    again = body(await call("POST", PATH, body=stored.raw, headers=MAIL))
    assert again == first | {"duplicate": True}


@pytest.mark.parametrize("size", [10, 60_000])
async def test_files_come_through_whole_small_and_large(call: Call, context: Context, size: int) -> None:
    content = base64.b64encode(b"x" * size).decode()
    letter = {"from": "a@example.com", "attachments": [{"filename": "a.bin", "content": content}]}
    told = body(await call("POST", PATH, json=letter, headers=JSON))
    raw = (await context.mailstore.get(told["workitem_id"]))[0].raw
    assert raw.replace(b"\r\n", b"").count(content.encode()) == 1


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
        ("[" * 90_000, None),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_kept(
    call: Call, context: Context, raw: str, field: str | None
) -> None:
    assert error(await call("POST", PATH, body=raw, headers=JSON)) == (422, "invalid", field)
    assert await context.intake.waiting() == 0


async def test_an_empty_mail_and_a_wrong_mailbox_are_refused(call: Call) -> None:
    assert error(await call("POST", PATH, body=b"", headers=MAIL)) == (422, "invalid", None)
    assert error(await call("POST", f"{PATH}?mailbox=..", body=RAW, headers=MAIL)) == (422, "invalid", "mailbox")


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ""]
)
async def test_other_types_are_refused(call: Call, kind: str) -> None:
    response = await call("POST", PATH, body=RAW, headers={"Content-Type": kind})
    assert error(response) == (415, "unsupported_media_type", None)


async def test_a_compressed_body_is_refused(call: Call) -> None:
    response = await call("POST", PATH, body=RAW, headers=MAIL | {"Content-Encoding": "gzip"})
    assert error(response) == (415, "unsupported_media_type", None)


async def test_it_needs_the_scope(call: Call, context: Context) -> None:
    people = context.auth.people
    assert (
        await call("POST", PATH, token=await people.add_key("a", ["read", "write"]), body=RAW, headers=MAIL)
    ).code == 403
    assert (await call("POST", PATH, token=await people.add_key("b", ["intake"]), body=RAW, headers=MAIL)).code == 202
    assert (await call("POST", PATH, token=None, body=RAW, headers=MAIL)).code == 401


async def test_a_mail_of_the_largest_size_is_taken_and_one_byte_more_is_not(call: Call, context: Context) -> None:
    head = b"Message-ID: <m2@example.com>\r\n\r\n"
    assert (await call("POST", PATH, body=head + b"x" * (LARGEST - len(head)), headers=MAIL)).code == 202
    response = await call("POST", PATH, body=head + b"x" * (LARGEST - len(head) + 1), headers=MAIL)
    assert error(response) == (413, "too_large", None)
    assert str(LARGEST)[:3] in body(response)["error"]["message"]
    assert context.desk.known.taken == 0


async def test_a_letter_that_grows_too_large_when_composed_is_refused(call: Call) -> None:
    letter = {"from": "a@example.com", "text": "x" * (LARGEST - 1_000)}
    assert error(await call("POST", PATH, json=letter, headers=JSON)) == (413, "too_large", None)


async def _conversation(port: int, head: str, send: bytes = b"", times: int = 1) -> tuple[bytes, int]:
    """What a bare client reads while it is still sending, and how many pieces it could send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: message/rfc822\r\n{head}\r\n\r\n".encode())
    sent, told = 0, b""
    try:
        for _ in range(times):
            writer.write(send)
            await writer.drain()
            sent += 1
        async with asyncio.timeout(15):
            told = await reader.read(64 * 1024)
    except ConnectionError:
        told = told or await reader.read(64 * 1024)
    finally:
        writer.close()
    return told, sent


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
    told, _ = await _conversation(http_server_port[1], head)
    assert told.startswith(b"HTTP/1.1 " + status)
    assert b'{"error":' in told


async def test_who_sends_on_regardless_still_reads_the_refusal(http_server_port: Any, http_server: Any) -> None:
    head = f"Authorization: Bearer {TOKEN}\r\nContent-Length: 20000000"
    told, sent = await _conversation(http_server_port[1], head, b"x" * 100_000, 200)
    assert told.startswith(b"HTTP/1.1 413")
    assert sent == 200


async def test_a_body_without_a_length_is_refused_when_it_has_grown_too_large(
    http_server_port: Any, http_server: Any
) -> None:
    chunk = b"%x\r\n%s\r\n" % (10_000, b"x" * 10_000)
    head = f"Authorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked"
    told, _ = await _conversation(http_server_port[1], head, chunk, 30)
    assert told.startswith(b"HTTP/1.1 413")
    assert told.count(b"HTTP/1.1") == 1


async def test_a_body_without_a_length_is_taken(http_server_port: Any, http_server: Any) -> None:
    head = f"Authorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked"
    told, _ = await _conversation(http_server_port[1], head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(RAW), RAW))
    assert told.startswith(b"HTTP/1.1 202")


async def test_a_refusal_does_not_hold_the_connection_for_ever(
    http_server_port: Any, http_server: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, "LINGER", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", http_server_port[1])
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n".encode())
    async with asyncio.timeout(10):
        assert (await reader.read()).startswith(b"HTTP/1.1 401")
    writer.close()


async def test_only_so_many_bodies_are_held_at_once_and_all_are_let_go(
    call: Call, context: Context, http_server_port: Any, http_server: Any
) -> None:
    started = []
    for _ in range(AT_ONCE):
        _, writer = await asyncio.open_connection("127.0.0.1", http_server_port[1])
        head = f"Authorization: Bearer {TOKEN}\r\nContent-Type: message/rfc822\r\nContent-Length: {LARGEST}"
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\nx".encode())
        started.append(writer)
    async with asyncio.timeout(10):
        while context.desk.known.taken < AT_ONCE * LARGEST:
            await asyncio.sleep(0.01)
    refused = await call("POST", PATH, body=RAW, headers=MAIL)
    assert error(refused) == (503, "busy", None)
    assert int(refused.headers["Retry-After"]) >= 1
    for writer in started:
        writer.close()
    async with asyncio.timeout(10):
        while context.desk.known.taken:
            await asyncio.sleep(0.01)
    assert (await call("POST", PATH, body=RAW, headers=MAIL)).code == 202


@pytest.mark.parametrize(
    ("fault", "code"),
    [(IntakeFullError("5 mails wait"), "intake_full"), (StoreUnavailableError("disk full"), "store_unavailable")],
)
async def test_when_it_cannot_be_kept_the_sender_is_told_to_come_again(
    call: Call, context: Context, monkeypatch: Any, fault: Exception, code: str
) -> None:
    async def broken(*_: Any) -> None:
        raise fault

    monkeypatch.setattr(type(context.intake), "put", broken)
    response = await call("POST", PATH, body=RAW, headers=MAIL)
    assert error(response) == (503, code, None)
    assert int(response.headers["Retry-After"]) >= 1


async def test_a_full_intake_refuses_and_loses_nothing(call: Call, context: Context) -> None:
    letter = {"from": "a@example.com", "text": "x"}
    answers = [await call("POST", PATH, json=letter, headers=JSON) for _ in range(7)]
    assert [answer.code for answer in answers] == [202] * 5 + [503] * 2
    assert context.sources.counts == {("intake", "new"): 5, ("intake", "503"): 2}
    assert error(answers[-1]) == (503, "intake_full", None)


async def test_json_of_every_form_is_read_as_utf_8(call: Call, context: Context) -> None:
    letter = json.dumps({"from": "a@example.com", "text": "Grüße"}, ensure_ascii=False)
    for raw in (letter.encode(), letter.encode("utf-8-sig")):
        assert (
            await call("POST", PATH, body=raw, headers=JSON | {"Content-Type": "Application/JSON; charset=x"})
        ).code == 202
    assert error(await call("POST", PATH, body=letter.encode("latin-1"), headers=JSON)) == (422, "invalid", None)

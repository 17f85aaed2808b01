"""Large and broken uploads: they are written in pieces, and nothing is left of those that do not end."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from server.context import Context
from server.handlers import upload_base as module
from server.intake.json_mail import MAX_ATTACHMENTS
from server.intake.uploads import MAX_MEMORY_BYTES, UploadBody
from tests.server.conftest import TOKEN, make_settings
from tests.server.handlers.conftest import PATIENCE, Call, body, error, until
from tests.support.forms import multipart
from tests.support.program import Program
from workitems.intake.identity import item_id
from workitems.intake.spool import SpoolFile
from workitems.settings import Settings

PATH = "/api/email/intake"
HEAD = b"Message-ID: <m1@example.com>\r\nFrom: a@example.com\r\nSubject: x\r\n\r\n"
RAW = HEAD + b"x" * 2_000_000
MAIL = {"Content-Type": "message/rfc822"}
LARGEST = 4_000_000
BEARER = f"Authorization: Bearer {TOKEN}\r\nContent-Type: message/rfc822\r\n"
SOURCES = {"gun": {"kind": "mailgun", "mailbox": "claims", "secret": "key-key-key-key-key"}}


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, intake={"max_mail_bytes": LARGEST}, sources=SOURCES)


def spooled(context: Context) -> list[Path]:
    return list((context.settings.mail_folder / "incoming").glob("*"))


async def opened(port: int, head: str, path: str = PATH) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
    return reader, writer


async def test_a_large_mail_is_stored_unchanged(call: Call, context: Context) -> None:
    result = body(await call("POST", PATH, body=RAW, headers=MAIL))
    assert result["workitem_id"] == item_id("intake", RAW)
    (stored,) = await context.mailstore.get_raw_mails(result["workitem_id"])
    assert stored.raw == RAW
    assert body(await call("POST", PATH, body=RAW, headers=MAIL)) == result | {"duplicate": True}
    await until(lambda: not spooled(context))
    assert context.uploads.known_budget.reserved_bytes == 0


async def test_a_large_json_mail_is_composed(call: Call, context: Context) -> None:
    json_mail = {"from": "a@example.com", "text": "Grüße " * 100_000, "message_id": "1@x", "mailbox": "claims"}
    result = body(await call("POST", PATH, json=json_mail, headers={"Content-Type": "application/json"}))
    (stored,) = await context.mailstore.get_raw_mails(result["workitem_id"])
    assert stored.sidecar.mailbox == "claims"
    assert stored.raw.startswith(b"Message-ID: <1@x>\r\n")
    answer = await call("POST", PATH, json=json_mail | {"txet": 1}, headers={"Content-Type": "application/json"})
    assert error(answer) == (422, "invalid", "txet")


async def test_a_large_json_mail_has_a_warning_for_each_file_that_cannot_be_decoded(call: Call) -> None:
    files = [{"filename": "😀" * 255, "content": ""}] * MAX_ATTACHMENTS
    json_mail = {"from": "a@example.com", "text": "x" * MAX_MEMORY_BYTES, "attachments": files}
    response = await call("POST", PATH, json=json_mail, headers={"Content-Type": "application/json"})
    assert (response.code, len(body(response)["warnings"])) == (202, MAX_ATTACHMENTS)


@pytest.mark.parametrize("chunked", [False, True])
async def test_nothing_is_left_of_a_body_that_ends_early(
    context: Context, http_server: Any, http_server_port: Any, chunked: bool
) -> None:
    length = "Transfer-Encoding: chunked\r\n" if chunked else f"Content-Length: {len(RAW)}\r\n"
    _, writer = await opened(http_server_port[1], BEARER + length)
    part = RAW[:1_000_000]
    writer.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
    await until(lambda: spooled(context) and context.uploads.known_budget.reserved_bytes)
    writer.close()
    await until(lambda: not spooled(context) and not context.uploads.known_budget.reserved_bytes)
    assert await context.intake.count_waiting() == 0


async def test_a_body_that_stops_arriving_is_given_up(
    context: Context, http_server: Any, http_server_port: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, "BODY_TIMEOUTS", {True: 0.3, False: 0.3})
    reader, writer = await opened(http_server_port[1], BEARER + f"Content-Length: {len(RAW)}\r\n")
    writer.write(RAW[:500_000])
    async with asyncio.timeout(PATIENCE):
        assert await reader.read() == b""
    await until(lambda: not spooled(context) and not context.uploads.known_budget.reserved_bytes)
    writer.close()


async def test_bytes_beyond_the_announced_length_are_no_part_of_the_mail(
    context: Context, http_server: Any, http_server_port: Any
) -> None:
    reader, writer = await opened(http_server_port[1], BEARER + f"Content-Length: {len(HEAD)}\r\nConnection: close\r\n")
    writer.write(RAW)
    async with asyncio.timeout(PATIENCE):
        assert b" 202 " in await reader.readline()
    writer.close()
    (stored,) = await context.mailstore.get_raw_mails(item_id("intake", HEAD))
    assert stored.raw == HEAD


async def test_a_mail_is_stored_when_its_sender_leaves_after_the_last_byte(
    context: Context, http_server: Any, http_server_port: Any
) -> None:
    _, writer = await opened(http_server_port[1], BEARER + f"Content-Length: {len(RAW)}\r\n")
    writer.write(RAW)
    await writer.drain()
    writer.close()
    async with asyncio.timeout(PATIENCE):
        while not await context.intake.count_waiting():
            await asyncio.sleep(0.01)
    await until(lambda: not spooled(context))


async def test_unknown_senders_that_announce_large_bodies_reserve_nothing(
    call: Call, context: Context, http_server: Any, http_server_port: Any
) -> None:
    kind = multipart()[0]
    head = f"Content-Type: {kind}\r\nContent-Length: {LARGEST}\r\n"
    writers = [(await opened(http_server_port[1], head, PATH + "/gun"))[1] for _ in range(20)]
    assert (await call("POST", PATH + "/gun", body=b"x", token=None, headers={"Content-Type": kind})).code == 406
    assert (await call("POST", PATH, body=HEAD, headers=MAIL)).code == 202
    for writer in writers:
        writer.close()


async def test_a_body_is_read_only_as_fast_as_the_disk_writes(
    context: Context, http_server: Any, http_server_port: Any, monkeypatch: Any
) -> None:
    writing, go, taken = threading.Event(), threading.Event(), []
    add, write = UploadBody.add, SpoolFile.write

    async def added(body: UploadBody, piece: bytes) -> None:
        taken.append(len(piece))
        await add(body, piece)

    def slow(draft: SpoolFile, piece: bytes) -> None:
        writing.set()
        go.wait(PATIENCE)
        write(draft, piece)

    monkeypatch.setattr(UploadBody, "add", added)
    monkeypatch.setattr(SpoolFile, "write", slow)
    reader, writer = await opened(http_server_port[1], BEARER + f"Content-Length: {len(RAW)}\r\n")
    writer.write(RAW)
    await until(writing.is_set)
    before = sum(taken)
    for _ in range(200):
        await asyncio.sleep(0)
    assert sum(taken) == before < MAX_MEMORY_BYTES + 2 * 65_536
    go.set()
    async with asyncio.timeout(PATIENCE):
        assert b" 202 " in await reader.readline()
    writer.close()


async def test_an_unavailable_disk_makes_the_sender_try_again(call: Call, context: Context) -> None:
    context.settings.mail_folder.mkdir(parents=True, exist_ok=True)
    (context.settings.mail_folder / "incoming").write_bytes(b"")
    answer = await call("POST", PATH, body=RAW, headers=MAIL)
    assert error(answer) == (503, "store_unavailable", None)
    assert int(answer.headers["Retry-After"]) >= 1
    assert context.uploads.known_budget.reserved_bytes == 0


async def test_a_large_upload_is_not_held_in_memory(redis_url: str, tmp_path: Path) -> None:
    settings = f'data = "{tmp_path}/var"\ntoken = "{TOKEN}"\n[redis]\nurl = "{redis_url}"\n'
    program = Program("server", tmp_path, settings).start()
    try:
        await asyncio.to_thread(program.ready)
        assert program.process is not None
        before = _peak(program.process.pid)
        json_mail = json.dumps({"from": "a@example.com", "text": "é" * 2_000_000}).encode()
        for kind, raw in (("message/rfc822", HEAD + b"x" * 24_000_000), ("application/json", json_mail)):
            head = f"Authorization: Bearer {TOKEN}\r\nContent-Type: {kind}\r\nContent-Length: {len(raw)}\r\n"
            reader, writer = await opened(program.port, head)
            writer.write(raw)
            async with asyncio.timeout(PATIENCE):
                assert b" 202 " in await reader.readline()
            writer.close()
        grown = _peak(program.process.pid) - before
        assert grown < 12_000_000, f"{grown:,} bytes"
    finally:
        await asyncio.to_thread(program.stop)


def _peak(pid: int) -> int:
    """Return the peak resident memory of a process in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

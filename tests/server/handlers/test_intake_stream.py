"""Large and broken posts: the disk takes them in pieces, and nothing is left of those that do not end."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from server.context import Context
from server.handlers import post as module
from server.posting import SMALL, Body
from tests.server.conftest import TOKEN, make_settings
from tests.server.handlers.conftest import Call, body, error
from tests.support.forms import multipart
from tests.support.program import Program
from workitems.identity import item_id
from workitems.incoming import Draft
from workitems.settings import Settings

PATH = "/api/email/intake"
HEAD = b"Message-ID: <m1@example.com>\r\nFrom: a@example.com\r\nSubject: x\r\n\r\n"
RAW = HEAD + b"x" * 2_000_000
MAIL = {"Content-Type": "message/rfc822"}
LARGEST = 4_000_000
BEARER = f"Authorization: Bearer {TOKEN}\r\nContent-Type: message/rfc822\r\n"
SOURCES = {"gun": {"kind": "mailgun", "mailbox": "claims", "secret": "key"}}


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, intake={"largest": LARGEST}, sources=SOURCES)


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def drafts(context: Context) -> list[Path]:
    return list((context.settings.mail / "incoming").glob("*"))


async def opened(port: int, head: str, path: str = PATH) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
    return reader, writer


async def test_a_large_mail_is_stored_as_it_came(call: Call, context: Context) -> None:
    told = body(await call("POST", PATH, body=RAW, headers=MAIL))
    assert told["workitem_id"] == item_id("intake", RAW)
    (stored,) = await context.mailstore.get(told["workitem_id"])
    assert stored.raw == RAW
    assert body(await call("POST", PATH, body=RAW, headers=MAIL)) == told | {"duplicate": True}
    await until(lambda: not drafts(context))
    assert context.desk.known.taken == 0


async def test_a_large_letter_is_composed(call: Call, context: Context) -> None:
    letter = {"from": "a@example.com", "text": "Grüße " * 100_000, "message_id": "1@x", "mailbox": "claims"}
    told = body(await call("POST", PATH, json=letter, headers={"Content-Type": "application/json"}))
    (stored,) = await context.mailstore.get(told["workitem_id"])
    assert stored.sidecar.mailbox == "claims"
    assert stored.raw.startswith(b"Message-ID: <1@x>\r\n")
    answer = await call("POST", PATH, json=letter | {"txet": 1}, headers={"Content-Type": "application/json"})
    assert error(answer) == (422, "invalid", "txet")


@pytest.mark.parametrize("chunked", [False, True])
async def test_nothing_is_left_of_a_body_that_ends_early(
    context: Context, http_server: Any, http_server_port: Any, chunked: bool
) -> None:
    length = "Transfer-Encoding: chunked\r\n" if chunked else f"Content-Length: {len(RAW)}\r\n"
    _, writer = await opened(http_server_port[1], BEARER + length)
    part = RAW[:1_000_000]
    writer.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
    await until(lambda: drafts(context) and context.desk.known.taken)
    writer.close()
    await until(lambda: not drafts(context) and not context.desk.known.taken)
    assert await context.intake.waiting() == 0


async def test_a_body_that_stops_coming_is_given_up(
    context: Context, http_server: Any, http_server_port: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, "PATIENCE", {True: 0.3, False: 0.3})
    reader, writer = await opened(http_server_port[1], BEARER + f"Content-Length: {len(RAW)}\r\n")
    writer.write(RAW[:500_000])
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    await until(lambda: not drafts(context) and not context.desk.known.taken)
    writer.close()


async def test_more_than_was_announced_is_no_part_of_the_mail(
    context: Context, http_server: Any, http_server_port: Any
) -> None:
    reader, writer = await opened(http_server_port[1], BEARER + f"Content-Length: {len(HEAD)}\r\nConnection: close\r\n")
    writer.write(RAW)
    async with asyncio.timeout(10):
        assert b" 202 " in await reader.readline()
    writer.close()
    (stored,) = await context.mailstore.get(item_id("intake", HEAD))
    assert stored.raw == HEAD


async def test_a_sender_that_leaves_after_its_last_byte_has_sent_it(
    context: Context, http_server: Any, http_server_port: Any
) -> None:
    _, writer = await opened(http_server_port[1], BEARER + f"Content-Length: {len(RAW)}\r\n")
    writer.write(RAW)
    await writer.drain()
    writer.close()
    async with asyncio.timeout(10):
        while not await context.intake.waiting():
            await asyncio.sleep(0.01)
    await until(lambda: not drafts(context))


async def test_strangers_that_announce_much_and_send_nothing_take_no_room(
    call: Call, context: Context, http_server: Any, http_server_port: Any
) -> None:
    kind = multipart()[0]
    head = f"Content-Type: {kind}\r\nContent-Length: {LARGEST}\r\n"
    writers = [(await opened(http_server_port[1], head, PATH + "/gun"))[1] for _ in range(20)]
    assert (await call("POST", PATH + "/gun", body=b"x", token=None, headers={"Content-Type": kind})).code == 406
    assert (await call("POST", PATH, body=HEAD, headers=MAIL)).code == 202
    for writer in writers:
        writer.close()


async def test_no_more_is_read_than_the_disk_takes(
    context: Context, http_server: Any, http_server_port: Any, monkeypatch: Any
) -> None:
    writing, go, taken = threading.Event(), threading.Event(), []
    add, write = Body.add, Draft.write

    async def added(body: Body, piece: bytes) -> None:
        taken.append(len(piece))
        await add(body, piece)

    def slow(draft: Draft, piece: bytes) -> None:
        writing.set()
        go.wait(10)
        write(draft, piece)

    monkeypatch.setattr(Body, "add", added)
    monkeypatch.setattr(Draft, "write", slow)
    reader, writer = await opened(http_server_port[1], BEARER + f"Content-Length: {len(RAW)}\r\n")
    writer.write(RAW)
    await until(writing.is_set)
    before = sum(taken)
    for _ in range(200):
        await asyncio.sleep(0)
    assert sum(taken) == before < SMALL + 2 * 65_536
    go.set()
    async with asyncio.timeout(10):
        assert b" 202 " in await reader.readline()
    writer.close()


async def test_a_disk_that_is_away_is_a_reason_to_come_again(call: Call, context: Context) -> None:
    context.settings.mail.mkdir(parents=True)
    (context.settings.mail / "incoming").write_bytes(b"")
    answer = await call("POST", PATH, body=RAW, headers=MAIL)
    assert error(answer) == (503, "store_unavailable", None)
    assert int(answer.headers["Retry-After"]) >= 1
    assert context.desk.known.taken == 0


async def test_a_large_post_is_not_held_in_memory(redis_url: str, tmp_path: Path) -> None:
    settings = f'data = "{tmp_path}/var"\ntoken = "{TOKEN}"\n[redis]\nurl = "{redis_url}"\n'
    program = Program("server", tmp_path, settings).start()
    try:
        await asyncio.to_thread(program.ready)
        assert program.process is not None
        before = _peak(program.process.pid)
        letter = json.dumps({"from": "a@example.com", "text": "é" * 2_000_000}).encode()
        for kind, raw in (("message/rfc822", HEAD + b"x" * 24_000_000), ("application/json", letter)):
            head = f"Authorization: Bearer {TOKEN}\r\nContent-Type: {kind}\r\nContent-Length: {len(raw)}\r\n"
            reader, writer = await opened(program.port, head)
            writer.write(raw)
            async with asyncio.timeout(30):
                assert b" 202 " in await reader.readline()
            writer.close()
        grown = _peak(program.process.pid) - before
        assert grown < 12_000_000, f"{grown:,} bytes"
    finally:
        await asyncio.to_thread(program.stop)


def _peak(pid: int) -> int:
    """Bytes of the most resident memory that a process had."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

"""From a body to a mail: small ones in memory, large ones in files and by a child, with the same result."""

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from server import composing
from server.composing import Composed, Order, TooLargeError, composed
from server.posting import Body, Desk, Mail, Room
from tests.server.sources.test_adapters import MAILGUN, POSTMARK
from tests.support.forms import multipart, urlencoded
from workitems import identity
from workitems.errors import IntakeFullError, InvalidChangeError, NotFoundError, StoreUnavailableError
from workitems.incoming import Spool
from workitems.intake import Intake, Origin, Receipt
from workitems.mailstore import MailStore
from workitems.redis import Client

LETTER = {"from": "ada@example.com", "text": "Grüße 😀", "mailbox": "claims", "attachments": [
    {"filename": "a.bin", "content": base64.b64encode(bytes(range(256)) * 700).decode()}]}  # fmt: skip
KIND, FORM = multipart(*MAILGUN, ("attachment-1", bytes(range(256)) * 700, "a.bin", "application/octet-stream"))
LARGE: list[tuple[Order, bytes]] = [
    (Order("json", "application/json", "<fresh@x>"), json.dumps(LETTER).encode()),
    (Order("postmark", "application/json"), json.dumps(POSTMARK | {"TextBody": "x" * 200_000}).encode()),
    (Order("mailgun", KIND), FORM),
    (Order("sendgrid", urlencoded()[0]), urlencoded(("text", b"\xe9+%" * 100_000))[1]),
]


@pytest.fixture
def mailstore(tmp_path: Path) -> Iterator[MailStore]:
    store = MailStore(tmp_path / "mail")
    yield store
    store.close()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "mail")
    yield spool
    spool.close()
    assert list(spool.folder.glob("*")) == []


@pytest.fixture
def intake(redis: Client, mailstore: MailStore) -> Intake:
    return Intake(redis, mailstore, most=3)


@pytest.fixture
def desk(spool: Spool, intake: Intake) -> Desk:
    return Desk(spool, intake, most=3, largest=1_000_000)


@pytest.fixture(autouse=True)
def _small_is_small(monkeypatch: Any) -> None:
    """So that a body of a few hundred kilobytes is a large one."""
    monkeypatch.setattr("server.posting.SMALL", 128 * 1024)


def origin(mailbox: str = "claims") -> Origin:
    return Origin(mailbox=mailbox, arrived=datetime.now(UTC), source="http", size=0)


async def received(spool: Spool, raw: bytes) -> tuple[Body, Mail]:
    body = Body(spool)
    for start in range(0, len(raw), 65_536):
        await body.add(raw[start : start + 65_536])
    return body, await body.whole()


async def by_the_desk(desk: Desk, order: Order, raw: bytes) -> tuple[bytes, Composed]:
    body, whole = await received(desk.spool, raw)
    try:
        async with desk.composed(order, whole) as (mail, found):
            assert mail.size == len(mail.raw if isinstance(mail.raw, bytes) else mail.raw.path.read_bytes())
            return (mail.raw if isinstance(mail.raw, bytes) else mail.raw.path.read_bytes()), found
    finally:
        body.forget()


@pytest.mark.parametrize(("order", "raw"), LARGE)
async def test_a_child_composes_what_a_thread_would(desk: Desk, order: Order, raw: bytes) -> None:
    out = BytesIO()
    found = composed(order, BytesIO(raw), BytesIO(), out.write)
    assert await by_the_desk(desk, order, raw) == (out.getvalue(), found)


@pytest.mark.parametrize("padding", [0, 200_000])
async def test_what_is_wrong_is_named_small_and_large(desk: Desk, padding: int) -> None:
    for wrong, field in (({"text": "x"}, "from"), ({"from": "a@b.c", "text": "x", "mailbox": 7}, "mailbox")):
        raw = json.dumps(wrong | {"html": "x" * padding}).encode()
        with pytest.raises(InvalidChangeError) as caught:
            await by_the_desk(desk, LARGE[0][0], raw)
        assert caught.value.field == field


@pytest.mark.parametrize("padding", [0, 200_000])
async def test_a_mail_that_grows_too_large_is_not_written_to_its_end(desk: Desk, padding: int) -> None:
    raw = json.dumps({"from": "a@b.c", "text": "x" * (padding + 1)}).encode()
    with pytest.raises(TooLargeError):
        await by_the_desk(desk, Order("json", "application/json", "<fresh@x>", most=100), raw)


async def test_a_child_has_only_so_much_memory_and_time(desk: Desk, monkeypatch: Any) -> None:
    raw = json.dumps({"from": "a@b.c", "text": "x" * 3_000_000}).encode()
    with monkeypatch.context() as patch:
        patch.setattr(composing, "MEMORY", 24 * 1024**2)
        with pytest.raises(InvalidChangeError, match="memory"):
            await by_the_desk(desk, LARGE[0][0], raw)
    monkeypatch.setattr(composing, "PROCESSOR", 1)
    near = b"\r\n--ab" * 2_000_000  # the parser stops at each
    with pytest.raises(InvalidChangeError, match="time"):
        await by_the_desk(desk, Order("mailgun", "multipart/form-data; boundary=a"), b"--a\r\nA: b\r\n\r\n" + near)


async def test_small_json_of_many_values_is_left_to_a_child(desk: Desk, monkeypatch: Any) -> None:
    seen = []
    monkeypatch.setattr("server.posting._composed_small", lambda *_: seen.append(1))
    headers = [["X-A", "b"]] * 5_000
    raw = json.dumps({"from": "a@b.c", "text": "x", "headers": headers}, separators=(",", ":")).encode()
    with pytest.raises(InvalidChangeError) as caught:
        await by_the_desk(desk, LARGE[0][0], raw)
    assert caught.value.field == "headers"
    assert not seen


async def test_a_child_that_takes_too_long_is_ended(desk: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr("server.posting.PATIENCE", 0.01)
    with pytest.raises(StoreUnavailableError):
        await by_the_desk(desk, *LARGE[0])


async def test_a_child_knows_nothing_of_our_environment(desk: Desk, monkeypatch: Any) -> None:
    seen = {}
    start = asyncio.create_subprocess_exec

    async def watched(*arguments: Any, **how: Any) -> Any:
        seen.update(how)
        return await start(*arguments, **how)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
    monkeypatch.setenv("TUBEPOST_TOKEN", "a-secret")
    await by_the_desk(desk, *LARGE[0])
    assert seen["env"] == {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


async def test_a_body_may_be_let_go_of_at_any_time(spool: Spool) -> None:
    body = Body(spool)
    await body.add(b"x" * 200_000)
    adding = asyncio.create_task(body.add(b"x" * 200_000))
    await asyncio.sleep(0)
    body.forget()
    await adding
    body.forget()
    other = Body(spool)
    adding = asyncio.create_task(other.add(b"x" * 200_000))
    await asyncio.sleep(0)
    other.forget()
    await adding


async def test_a_letter_that_nobody_else_can_put_is_taken_back_when_it_is_refused(
    desk: Desk, intake: Intake, mailstore: MailStore, monkeypatch: Any
) -> None:
    mail = Mail(b"Message-ID: <fresh@tubepost.invalid>\r\n\r\nx")
    item_id = identity.item_id("claims", mail.head)

    async def lost(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(Intake, "_record", lost)
        with pytest.raises(StoreUnavailableError):
            await desk.put(mail, origin(), fresh=True)
        with pytest.raises(NotFoundError):
            await mailstore.get(item_id)
        with pytest.raises(StoreUnavailableError):
            await desk.put(mail, origin())
    assert len(await mailstore.get(item_id)) == 1
    assert [count async for count in intake.repair()] == [1]


def test_one_address_cannot_take_the_room_of_all() -> None:
    room = Room(4, share=2)
    assert [room.take(1, "a") for _ in range(3)] == [True, True, False]
    assert [room.take(1, "b") for _ in range(3)] == [True, True, False]
    room.give(2, "a")
    assert [room.take(1, "b"), room.take(2, "c")] == [False, True]


async def test_a_full_intake_is_known_before_a_body_comes(desk: Desk) -> None:
    for n in range(3):
        await desk.check()
        assert (await desk.put(Mail(b"Message-ID: <%d@x>\r\n\r\n" % n), origin())).outcome == "new"
    with pytest.raises(IntakeFullError):
        await desk.check()


async def test_a_mail_in_a_file_is_put_as_one_in_memory(desk: Desk, mailstore: MailStore) -> None:
    raw = b"Message-ID: <m@x>\r\n\r\n" + b"x" * 500_000
    body, mail = await received(desk.spool, raw)
    assert not isinstance(mail.raw, bytes)
    assert await desk.put(mail, origin()) == Receipt(identity.item_id("claims", raw), "new")
    body.forget()
    (stored,) = await mailstore.get(identity.item_id("claims", raw))
    assert (stored.raw, stored.sidecar.size) == (raw, len(raw))

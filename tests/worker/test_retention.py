"""Closed items and old raw mail go when their time has come; nothing of them is left anywhere."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import pytest
from redis import Redis
from tornado.ioloop import IOLoop

from tests.support.redis_server import RedisServer
from tests.worker.desk import until
from tests.worker.test_reader import Room
from worker import retention
from worker.retention import DAY, HOUR, Retention
from workitems import keys
from workitems.errors import NoLongerKeptError, NotFoundError
from workitems.intake import Intake, Origin
from workitems.item import MACHINE
from workitems.keepsake import Keepsake
from workitems.mailstore import MailStore
from workitems.redis import Client, connect
from workitems.settings import RetentionSettings
from workitems.store import Change, Store

IDS = ["wi_" + letter * 26 for letter in "abcdefgh"]

#: Words that stand in the mail and nowhere else: subject, sender, text, attachment, and what a person wrote.
WORDS = [b"qwyxsubject", b"qwyxsender", b"qwyxbody", b"qwyxattached", b"qwyxfilename", b"qwyxwritten"]

MAIL = (
    b"Message-ID: <qwyx@example.com>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b"From: Q <qwyxsender@example.com>\r\nSubject: qwyxsubject\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nqwyxbody\r\n"
    b'--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="qwyxfilename.txt"\r\n\r\n'
    b"qwyxattached\r\n--b--\r\n"
)


class Clock:
    """`now` is real time and `ahead` seconds."""

    ahead = 0.0

    def __call__(self) -> float:
        return time() + self.ahead


class Sweeper:
    """What one worker keeps, and its sweep with a clock that the test turns."""

    def __init__(self, redis: Client, mailstore: MailStore, worker: str = "one", **days: float) -> None:
        self.redis, self.mailstore, self.clock = redis, mailstore, Clock()
        keepsake = Keepsake(redis, mailstore, history=1000)
        self.removal = keepsake.removal
        self.store = Store(redis, history=1000)
        self.intake = Intake(redis, mailstore, most=100, settle=keepsake.settle)
        self.retention = Retention(
            redis, mailstore, self.removal, RetentionSettings(**days), worker=worker, clock=self.clock
        )

    async def item(self, n: int, *, status: str = "new", **thread: Any) -> None:
        machine = MACHINE | {"created_at": "2026-03-01T09:30:00Z", "subject": str(n)}
        await self.store.publish(IDS[n], "desk", machine, **thread)
        if status != "new":
            await self.store.change(IDS[n], Change(status=status), who="ann")

    async def there(self) -> list[int]:
        return [n for n, each in enumerate(IDS) if await self.redis.exists(keys.item(each))]

    async def after(self, days: float) -> None:
        """Sweep as if *days* had passed."""
        self.clock.ahead = days * DAY
        assert await self.retention.step()


@pytest.fixture
def make_sweeper(redis: Client, mailstore: MailStore) -> Callable[..., Sweeper]:
    return lambda **how: Sweeper(redis, mailstore, **how)


async def test_closed_items_go_when_they_were_closed_long_enough_and_open_ones_stay(
    make_sweeper: Callable[..., Sweeper], redis: Client
) -> None:
    sweeper = make_sweeper(keep_days=30)
    for n, status in enumerate(["new", "done", "dismissed", "waiting", "in_progress"]):
        await sweeper.item(n, status=status)
    await sweeper.after(29.9)
    assert await sweeper.there() == [0, 1, 2, 3, 4]
    await sweeper.after(30.1)
    assert await sweeper.there() == [0, 3, 4]
    await sweeper.item(5, status="done")
    await sweeper.after(30.1 + HOUR / DAY / 2)
    assert await sweeper.there() == [0, 3, 4, 5], "it looks once an hour"


async def test_what_was_swept_stays_away_when_redis_is_lost_before_its_files_are_gone(
    make_sweeper: Callable[..., Sweeper], redis: Client
) -> None:
    sweeper = make_sweeper(keep_days=30)
    await sweeper.item(0, status="done")
    await sweeper.after(31)
    assert await sweeper.there() == []
    await redis.flushall()
    await Keepsake(redis, sweeper.mailstore, history=1000).settle()
    assert await redis.exists(keys.gone(IDS[0]))


async def test_nothing_goes_unless_a_time_is_set(make_sweeper: Callable[..., Sweeper]) -> None:
    sweeper = make_sweeper()
    await sweeper.item(0, status="done")
    await sweeper.after(36_500)
    assert await sweeper.there() == [0]


async def test_a_conversation_of_which_something_is_open_stays_whole(
    make_sweeper: Callable[..., Sweeper],
) -> None:
    sweeper = make_sweeper(keep_days=30)
    await sweeper.item(0, status="done", message_id="a" * 32)
    await sweeper.item(1, references=["a" * 32])
    await sweeper.item(2, status="done")
    await sweeper.after(31)
    assert await sweeper.there() == [0, 1]
    await sweeper.store.change(IDS[1], Change(status="done"), who="ann")
    await sweeper.after(32)
    assert await sweeper.there() == []


async def test_items_that_an_older_program_closed_count_from_their_last_change(
    make_sweeper: Callable[..., Sweeper], redis: Client
) -> None:
    sweeper = make_sweeper(keep_days=30)
    for n in range(3):
        await sweeper.item(n, status="done")
    await redis.delete(keys.CLOSED)
    await redis.delete(keys.history(IDS[2]))  # nothing tells: its mail's own time counts
    await sweeper.after(1)
    assert await sweeper.there() == [0, 1]
    await sweeper.after(31)
    assert await sweeper.there() == []


async def test_one_worker_sweeps_and_another_goes_on_when_it_is_gone(
    make_sweeper: Callable[..., Sweeper], redis: Client
) -> None:
    one, other = make_sweeper(), make_sweeper(worker="other")
    assert await one.retention.step()
    assert not await other.retention.step()
    await redis.delete(keys.lease(retention.NAME))
    assert await other.retention.step()


async def test_many_items_go_in_batches(
    make_sweeper: Callable[..., Sweeper], redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workitems.ageing.BATCH", 3)
    sweeper = make_sweeper(keep_days=1)
    await sweeper.item(0, message_id="a" * 32, status="done")
    await sweeper.item(1, references=["a" * 32])  # keeps the first one
    for n in range(2, 8):
        await sweeper.item(n, status="done")
    await sweeper.after(2)
    assert await sweeper.there() == [0, 1]
    await sweeper.after(2.1)
    assert await redis.zcard(keys.REMOVING) == 0


# --- raw mail -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def read_mail(room: Room) -> AsyncIterator[str]:
    """MAIL, put and read by a real child."""
    item = await room.put(MAIL)
    async with room.reader():
        await room.machine(item)
    yield item


@pytest.fixture
def room(make_redis: Callable[..., Client], intake: Intake, redis: Client, mailstore: MailStore) -> Room:
    return Room(redis, make_redis(blocking=True), intake, mailstore)


async def test_raw_mail_goes_and_what_was_read_from_it_stays(
    room: Room, make_sweeper: Callable[..., Sweeper], redis: Client, mailstore: MailStore
) -> None:
    sweeper = make_sweeper(keep_raw_days=30)
    async with read_mail(room) as item:
        await sweeper.after(29)
        assert await mailstore.raw(item)
        await sweeper.after(31)
        with pytest.raises(NoLongerKeptError):
            await mailstore.raw(item)
        assert "qwyxbody" in (await mailstore.get_reading(item))["text"]
        assert (await mailstore.attachment(item, 1)).read_bytes().strip() == b"qwyxattached"

        before = await redis.xlen(keys.FEED)
        assert await room.put(MAIL) == item
        assert await room.put(MAIL.replace(b"qwyxbody", b"another")) == item
        assert await room.intake.waiting() == 0
        assert await redis.xlen(keys.FEED) == before
        assert not [*mailstore.folder.rglob("*.eml")]
        assert sum([count async for count in room.intake.repair()]) == 0


async def test_an_item_whose_raw_mail_is_gone_comes_back_from_what_was_read_when_redis_lost_it(
    room: Room, make_sweeper: Callable[..., Sweeper], redis: Client, mailstore: MailStore
) -> None:
    async with read_mail(room) as item:
        before = await room.machine(item)
        await make_sweeper(keep_raw_days=30).after(31)
        await redis.flushall()
        assert sum([count async for count in room.intake.repair()]) == 1
        async with room.reader():
            after = await room.machine(item)
    assert after == before
    assert (await mailstore.attachment(item, 1)).exists()
    assert not await redis.exists(keys.QUARANTINE)


async def test_raw_mail_that_waits_to_be_read_is_kept(
    room: Room, make_sweeper: Callable[..., Sweeper], mailstore: MailStore
) -> None:
    item = await room.put(MAIL)
    await make_sweeper(keep_raw_days=1).after(2)
    assert await mailstore.raw(item)


async def test_raw_mail_is_looked_at_once_a_day(
    room: Room, make_sweeper: Callable[..., Sweeper], mailstore: MailStore
) -> None:
    sweeper = make_sweeper(keep_raw_days=1)
    await sweeper.after(0.5)
    async with read_mail(room) as item:
        path = await mailstore.raw(item)
        os.utime(path, (0, 0))
        await sweeper.after(1.4)
        assert path.exists()
        await sweeper.after(1.6)
        assert not path.exists()


# --- nothing is left ------------------------------------------------------------------------------------------------


@pytest.fixture
def house(io_loop: IOLoop, tmp_path: Path) -> Iterator[tuple[RedisServer, Client, Client, MailStore]]:
    """A Redis of its own, whose files can be searched, and a mail store; all below one folder."""
    server = RedisServer(tmp_path / "redis", None, "--rdbcompression", "no")
    server.folder.mkdir()
    server.socket = Path(os.path.relpath(server.socket)) if len(str(server.socket)) > 100 else server.socket
    server.start()
    mailstore = MailStore(tmp_path / "mail")
    redis, blocking = connect(f"unix://{server.socket}"), connect(f"unix://{server.socket}", blocking=True)
    yield server, redis, blocking, mailstore
    for client in (redis, blocking):
        io_loop.run_sync(client.aclose)
    mailstore.close()
    server.stop()


def found(folder: Path, server: RedisServer) -> set[bytes]:
    """Which of WORDS stand in any file, or in anything that Redis holds."""
    heap = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    with Redis.from_url(f"unix://{server.socket}", protocol=2) as client:
        for key in client.scan_iter():
            heap += key + (client.dump(key) or b"")
    return {word for word in WORDS if word in heap}


async def test_no_byte_of_a_mail_is_left_in_redis_or_on_the_disk(
    house: tuple[RedisServer, Client, Client, MailStore], tmp_path: Path
) -> None:
    server, redis, blocking, mailstore = house
    sweeper = Sweeper(redis, mailstore, keep_days=30)
    async with read_mail(Room(redis, blocking, sweeper.intake, mailstore)) as item:
        await sweeper.store.change(item, Change(status="done", fields={"x": "qwyxwritten"}), who="ann")
    assert found(tmp_path, server) == set(WORDS)
    await sweeper.after(31)
    await sweeper.after(31.1)
    with pytest.raises(NotFoundError):
        await sweeper.store.get(item)

    async def clean() -> bool:
        return not found(tmp_path, server)

    await until(clean)
    assert await redis.exists(keys.gone(item))
    assert (await sweeper.intake.put(MAIL, Origin("desk", datetime.now(UTC), "test", len(MAIL)))).outcome == "gone"
    assert await clean()

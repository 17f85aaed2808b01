"""Closed items and old raw mail are removed after their time; nothing of them is left anywhere."""

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
from tests.worker.polled_mailbox import until
from tests.worker.publishing.test_intake_reader import ReaderHarness
from worker.upkeep import retention
from worker.upkeep.retention import DAY, HOUR, Retention
from workitems.base import keys
from workitems.base.errors import NoLongerKeptError, NotFoundError
from workitems.base.redis import RedisClient, connect
from workitems.intake.origin import MailOrigin
from workitems.intake.put import Intake
from workitems.intake.repair import put_lost_mail
from workitems.mailstore.store import MailStore
from workitems.queue.change import ItemChange
from workitems.queue.item import MACHINE_DEFAULTS
from workitems.queue.reindex import reindex
from workitems.queue.store import ItemStore
from workitems.recovery.durable_state import DurableState
from workitems.settings import RetentionSettings

IDS = ["wi_" + character * 26 for character in "abcdefgh"]

#: Words that are only in the mail (subject, sender, text, attachment, file name) or in a correction.
WORDS = [b"qwyxsubject", b"qwyxsender", b"qwyxbody", b"qwyxattached", b"qwyxfilename", b"qwyxwritten"]

MAIL = (
    b"Message-ID: <qwyx@example.com>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b"From: Q <qwyxsender@example.com>\r\nSubject: qwyxsubject\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nqwyxbody\r\n"
    b'--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="qwyxfilename.txt"\r\n\r\n'
    b"qwyxattached\r\n--b--\r\n"
)


class Clock:
    """Real time plus `ahead` seconds."""

    ahead = 0.0

    def __call__(self) -> float:
        return time() + self.ahead


class RetentionHarness:
    """The storage and the retention of one worker, with a clock that the test advances."""

    def __init__(self, redis: RedisClient, mailstore: MailStore, worker: str = "one", **days: float) -> None:
        self.redis, self.mailstore, self.clock = redis, mailstore, Clock()
        durable_state = DurableState(redis, mailstore, max_events=1000)
        self.removal = durable_state.removal
        self.store = ItemStore(redis, max_events=1000)
        self.intake = Intake(redis, mailstore, max_waiting=100, reconcile=durable_state.reconcile)
        self.retention = Retention(
            redis, mailstore, self.removal, RetentionSettings(**days), worker=worker, clock=self.clock
        )

    async def item(self, n: int, *, status: str = "new", **thread: Any) -> None:
        machine = MACHINE_DEFAULTS | {"created_at": "2026-03-01T09:30:00Z", "subject": str(n)}
        await self.store.publish(IDS[n], "desk", machine, **thread)
        if status != "new":
            await self.store.change(IDS[n], ItemChange(status=status), who="ann")

    async def existing(self) -> list[int]:
        return [n for n, each in enumerate(IDS) if await self.redis.exists(keys.item(each))]

    async def run_after(self, days: float) -> None:
        """Run the retention as if *days* had passed."""
        self.clock.ahead = days * DAY
        assert await self.retention.run_once()


@pytest.fixture
def make_retention(redis: RedisClient, mailstore: MailStore) -> Callable[..., RetentionHarness]:
    return lambda **how: RetentionHarness(redis, mailstore, **how)


async def test_items_closed_long_enough_are_removed_and_open_ones_stay(
    make_retention: Callable[..., RetentionHarness], redis: RedisClient
) -> None:
    expiring = make_retention(keep_days=30)
    for n, status in enumerate(["new", "done", "dismissed", "waiting", "in_progress"]):
        await expiring.item(n, status=status)
    await expiring.run_after(29.9)
    assert await expiring.existing() == [0, 1, 2, 3, 4]
    await expiring.run_after(30.1)
    assert await expiring.existing() == [0, 3, 4]
    await expiring.item(5, status="done")
    await expiring.run_after(30.1 + HOUR / DAY / 2)
    assert await expiring.existing() == [0, 3, 4, 5], "it searches once an hour"


async def test_a_removed_item_does_not_return_when_redis_is_lost_before_its_files_are_deleted(
    make_retention: Callable[..., RetentionHarness], redis: RedisClient
) -> None:
    expiring = make_retention(keep_days=30)
    await expiring.item(0, status="done")
    await expiring.run_after(31)
    assert await expiring.existing() == []
    await redis.flushall()
    await DurableState(redis, expiring.mailstore, max_events=1000).reconcile()
    assert await redis.exists(keys.gone(IDS[0]))


async def test_nothing_is_removed_without_a_setting(make_retention: Callable[..., RetentionHarness]) -> None:
    expiring = make_retention()
    await expiring.item(0, status="done")
    await expiring.run_after(36_500)
    assert await expiring.existing() == [0]


async def test_a_submission_with_an_open_item_stays_complete(
    make_retention: Callable[..., RetentionHarness],
) -> None:
    expiring = make_retention(keep_days=30)
    await expiring.item(0, status="done", message_id="a" * 32)
    await expiring.item(1, references=["a" * 32])
    await expiring.item(2, status="done")
    await expiring.run_after(31)
    assert await expiring.existing() == [0, 1]
    await expiring.store.change(IDS[1], ItemChange(status="done"), who="ann")
    await expiring.run_after(32)
    assert await expiring.existing() == []


@pytest.mark.parametrize("lost", ["the list of the submission", "the open item"])
async def test_a_submission_of_which_redis_lost_a_part_stays_complete_until_it_is_repaired(
    make_retention: Callable[..., RetentionHarness], redis: RedisClient, lost: str
) -> None:
    expiring = make_retention(keep_days=30)
    await expiring.item(0, status="done", message_id="a" * 32)
    await expiring.item(1, references=["a" * 32])
    submission = "sub_" + IDS[0][3:]
    await redis.delete(keys.item(IDS[1]) if lost == "the open item" else keys.submission_items(submission))
    await expiring.run_after(31)
    assert 0 in await expiring.existing()
    await expiring.item(1, references=["a" * 32], status="done")
    await reindex(redis)
    await expiring.run_after(32)
    assert 0 not in await expiring.existing()


async def test_items_without_a_closing_time_are_kept_from_their_last_change_on(
    make_retention: Callable[..., RetentionHarness], redis: RedisClient
) -> None:
    expiring = make_retention(keep_days=30)
    for n in range(3):
        await expiring.item(n, status="done")
    await redis.delete(keys.CLOSED)
    await redis.delete(keys.history(IDS[2]))  # without any time of a change it is kept from now on
    await expiring.run_after(1)
    assert await expiring.existing() == [0, 1, 2]
    await expiring.run_after(31)
    assert await expiring.existing() == []


async def test_one_worker_does_the_retention_and_another_continues_when_it_has_ended(
    make_retention: Callable[..., RetentionHarness], redis: RedisClient
) -> None:
    one, other = make_retention(), make_retention(worker="other")
    assert await one.retention.run_once()
    assert not await other.retention.run_once()
    await redis.delete(keys.lease(retention.LEASE_NAME))
    assert await other.retention.run_once()


async def test_many_items_are_removed_in_batches(
    make_retention: Callable[..., RetentionHarness], redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workitems.retention.expiry.BATCH", 3)
    expiring = make_retention(keep_days=1)
    await expiring.item(0, message_id="a" * 32, status="done")
    await expiring.item(1, references=["a" * 32])  # keeps the first one
    for n in range(2, 8):
        await expiring.item(n, status="done")
    await expiring.run_after(2)
    assert await expiring.existing() == [0, 1]
    await expiring.run_after(2.1)
    assert await redis.zcard(keys.REMOVING) == 0


# --- raw mail -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def read_mail(harness: ReaderHarness) -> AsyncIterator[str]:
    """Put MAIL, which a real child reads."""
    item = await harness.put(MAIL)
    async with harness.reader():
        await harness.machine(item)
    yield item


@pytest.fixture
def harness(
    make_redis: Callable[..., RedisClient], intake: Intake, redis: RedisClient, mailstore: MailStore
) -> ReaderHarness:
    return ReaderHarness(redis, make_redis(blocking=True), intake, mailstore)


async def test_raw_mail_is_removed_and_its_reading_stays(
    harness: ReaderHarness, make_retention: Callable[..., RetentionHarness], redis: RedisClient, mailstore: MailStore
) -> None:
    expiring = make_retention(keep_raw_days=30)
    async with read_mail(harness) as item:
        await expiring.run_after(29)
        assert await mailstore.raw_path(item)
        await expiring.run_after(31)
        with pytest.raises(NoLongerKeptError):
            await mailstore.raw_path(item)
        assert "qwyxbody" in (await mailstore.get_reading(item))["text"]
        assert (await mailstore.attachment_path(item, 1)).read_bytes().strip() == b"qwyxattached"

        before = await redis.xlen(keys.FEED)
        assert await harness.put(MAIL) == item
        assert await harness.put(MAIL.replace(b"qwyxbody", b"another")) == item
        assert await harness.intake.count_waiting() == 0
        assert await redis.xlen(keys.FEED) == before
        assert not [*mailstore.folder.rglob("*.eml")]
        assert sum([count async for count in put_lost_mail(harness.intake)]) == 0


async def test_an_item_without_raw_mail_is_restored_from_its_reading_when_redis_lost_it(
    harness: ReaderHarness, make_retention: Callable[..., RetentionHarness], redis: RedisClient, mailstore: MailStore
) -> None:
    async with read_mail(harness) as item:
        before = await harness.machine(item)
        await make_retention(keep_raw_days=30).run_after(31)
        await redis.flushall()
        assert sum([count async for count in put_lost_mail(harness.intake)]) == 1
        async with harness.reader():
            after = await harness.machine(item)
    assert after == before
    assert (await mailstore.attachment_path(item, 1)).exists()
    assert not await redis.exists(keys.QUARANTINE)


async def test_raw_mail_that_still_waits_to_be_read_is_kept(
    harness: ReaderHarness, make_retention: Callable[..., RetentionHarness], mailstore: MailStore
) -> None:
    item = await harness.put(MAIL)
    await make_retention(keep_raw_days=1).run_after(2)
    assert await mailstore.raw_path(item)


async def test_raw_mail_is_checked_once_a_day(
    harness: ReaderHarness, make_retention: Callable[..., RetentionHarness], mailstore: MailStore
) -> None:
    expiring = make_retention(keep_raw_days=1)
    await expiring.run_after(0.5)
    async with read_mail(harness) as item:
        path = await mailstore.raw_path(item)
        os.utime(path, (0, 0))
        await expiring.run_after(1.4)
        assert path.exists()
        await expiring.run_after(1.6)
        assert not path.exists()


# --- nothing is left ------------------------------------------------------------------------------------------------


@pytest.fixture
def own_storage(io_loop: IOLoop, tmp_path: Path) -> Iterator[tuple[RedisServer, RedisClient, RedisClient, MailStore]]:
    """A Redis whose files can be searched, and a mail store, all below one folder."""
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
    """Return those of WORDS that are in any file or in any key of Redis."""
    heap = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    with Redis.from_url(f"unix://{server.socket}", protocol=2) as client:
        for key in client.scan_iter():
            heap += key + (client.dump(key) or b"")
    return {word for word in WORDS if word in heap}


async def test_no_byte_of_a_mail_is_left_in_redis_or_on_the_disk(
    own_storage: tuple[RedisServer, RedisClient, RedisClient, MailStore], tmp_path: Path
) -> None:
    server, redis, blocking, mailstore = own_storage
    expiring = RetentionHarness(redis, mailstore, keep_days=30)
    async with read_mail(ReaderHarness(redis, blocking, expiring.intake, mailstore)) as item:
        await expiring.store.change(item, ItemChange(status="done", fields={"x": "qwyxwritten"}), who="ann")
    assert found(tmp_path, server) == set(WORDS)
    await expiring.run_after(31)
    await expiring.run_after(31.1)
    with pytest.raises(NotFoundError):
        await expiring.store.get(item)

    async def clean() -> bool:
        return not found(tmp_path, server)

    await until(clean)
    assert await redis.exists(keys.gone(item))
    assert (await expiring.intake.put(MAIL, MailOrigin("desk", datetime.now(UTC), "test", len(MAIL)))).outcome == "gone"
    assert await clean()


async def test_conversations_leave_nothing_behind_a_day_later(
    make_retention: Callable[..., RetentionHarness],
) -> None:
    house = make_retention(keep_days=30)
    await house.item(0, status="done", message_id="a", references=["b"])
    await house.run_after(0)
    await house.run_after(31)
    assert not await house.redis.keys(keys.message_id("*"))

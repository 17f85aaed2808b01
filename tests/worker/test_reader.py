"""The reader with real children and a real Redis: taken, read, published, acknowledged; never lost, never blocked."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.worker.desk import letter, until
from worker.machine import HEADERS_ONLY
from worker.reader import Bounds, Reader
from worker.readings import READ_HEADERS, Readings
from worker.sandbox.pool import READ_MAIL, Sandbox
from workitems import durable, keys
from workitems.errors import StoreUnavailableError
from workitems.identity import fingerprint
from workitems.intake import Intake, Origin, Waiting
from workitems.item import MACHINE
from workitems.mailstore import MailStore
from workitems.redis import Client
from workitems.sidecar import Stored
from workitems.store import Store

POISON = "tests.faults.readers:prepare"


class Room:
    """A reader at work on a test's intake."""

    def __init__(self, redis: Client, blocking: Client, intake: Intake, mailstore: MailStore) -> None:
        self.redis, self.blocking, self.intake, self.mailstore = redis, blocking, intake, mailstore
        self.store = Store(redis, history=1000)

    @asynccontextmanager
    async def reader(self, function: str = READ_MAIL, *, consumer: str = "one", **bounds: Any) -> AsyncIterator[Reader]:
        first, careful = (
            Sandbox({}, size=1, spares=1, function=function),
            Sandbox({}, size=1, spares=0, function=function),
        )
        headers = Sandbox({}, size=1, spares=0, function=READ_HEADERS)
        await first.start()
        reader = Reader(
            self.intake, self.blocking, self.mailstore, self.store, Readings(first, careful, headers),
            consumer=consumer, bounds=Bounds(**{"seconds": 2.0, "abandoned": 60.0, **bounds}),
        )  # fmt: skip
        running = asyncio.create_task(reader.run())
        try:
            yield reader
        finally:
            running.cancel()
            await asyncio.wait([running])
            await reader.finish(2.0)
            await asyncio.gather(first.close(), careful.close(), headers.close())

    async def put(self, raw: bytes, **origin: Any) -> str:
        arrived = datetime(2026, 3, 2, 10, tzinfo=UTC)
        kept = {"mailbox": "desk", "arrived": arrived, "source": "test", "size": len(raw), **origin}
        return (await self.intake.put(raw, Origin(**kept))).id

    async def begun(self, item: str) -> None:
        """Wait until a counted try of *item* has begun."""

        async def counted() -> bool:
            return int(await self.redis.hget(keys.attempts(item), "n") or 0) > 0

        await until(counted)

    async def machine(self, item: str) -> dict[str, Any]:
        """Wait until *item* is published and nothing waits."""

        async def published() -> bool:
            return bool(await self.redis.exists(keys.item(item))) and not await self.intake.waiting()

        await until(published)
        found: dict[str, Any] = json.loads(await self.redis.hget(keys.item(item), "machine"))
        return found


@pytest.fixture
def room(make_redis: Callable[..., Client], intake: Intake, redis: Client, mailstore: MailStore) -> Room:
    return Room(redis, make_redis(blocking=True), intake, mailstore)


async def test_a_mail_is_read_published_and_acknowledged(room: Room) -> None:
    item = await room.put(letter(1))
    async with room.reader():
        machine = await room.machine(item)
    assert machine["subject"] == "Letter 1"
    assert machine["extracted_fields"]["policy_number"] == "AB-12345"
    assert machine["created_at"] == "2026-03-02T10:00:00Z"
    assert not await room.redis.exists(keys.attempts(item))
    reading = await room.mailstore.get_reading(item)
    assert reading["evidence"]["policy_number"]["raw"] == "AB-12345"
    assert set(reading) == {
        "subject", "from_email", "from_name", "to", "cc", "date", "text", "html", "fields", "evidence",
        "attachments", "kind", "flags", "reason", "message_key", "reference_keys", "schema",
    }  # fmt: skip


async def test_a_version_that_another_worker_read_meanwhile_is_not_covered_by_the_older_one(room: Room) -> None:
    class Overtaken(MailStore):
        """Between our look and our publishing another worker reads both versions and publishes."""

        async def get(self, item_id: str) -> list[Stored]:
            found = await super().get(item_id)
            if len(found) == 1:
                raw = letter(1)
                await self.put(replace(found[0].sidecar, raw=fingerprint(raw), size=len(raw)), raw)
                both = [stored.sidecar.raw for stored in await super().get(item_id)]
                published = MACHINE | {"subject": "both", "created_at": "2026-03-02T10:00:00Z"}
                await room.store.publish(item_id, "desk", published, raws=both)
            return found

    item = await room.put(letter(1, text=""))
    room.mailstore, before = Overtaken(room.mailstore.folder), room.mailstore
    async with room.reader():

        async def both() -> bool:
            return "variant" in (await room.machine(item))["flags"]

        await until(both)
    machine, reading = await room.machine(item), await before.get_reading(item)
    room.mailstore.close()
    assert machine["extracted_fields"]["policy_number"] == reading["fields"]["policy_number"] == "AB-12345"
    assert len((await room.redis.hget(keys.item(item), "raws")).split(b",")) == 2


async def test_a_mail_with_other_bytes_is_a_variant_on_the_same_item(room: Room) -> None:
    item = await room.put(letter(1, text=""))
    async with room.reader():
        await room.machine(item)
        assert await room.put(letter(1)) == item
        machine = await room.machine(item)
    assert "variant" in machine["flags"]
    assert machine["extracted_fields"]["policy_number"] == "AB-12345"
    assert await room.redis.zcard(keys.items()) == 1
    assert len((await room.redis.hget(keys.item(item), "raws")).split(b",")) == 2


async def test_reading_the_same_mail_again_gives_no_event(room: Room) -> None:
    item = await room.put(letter(1))
    async with room.reader():
        await room.machine(item)
        await room.redis.xadd(keys.INTAKE, {"id": item, "mailbox": "desk", "raw": ""})
        await room.machine(item)
    assert await room.redis.xlen(keys.FEED) == 1


async def test_headers_alone_make_an_item_too(room: Room) -> None:
    head = letter(1).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    large = await room.put(head, oversized=True, size=99_000_000)
    other = await room.put(letter(2).partition(b"\r\n\r\n")[0] + b"\r\n\r\n", size=5000)
    async with room.reader():
        assert "oversized" in (await room.machine(large))["flags"]
        machine = await room.machine(other)
    assert machine["flags"] == ["needs_review"]
    assert machine["reason"] == HEADERS_ONLY
    assert machine["subject"] == "Letter 2"


async def test_mail_that_the_store_has_lost_is_still_an_item(room: Room) -> None:
    item = await room.put(letter(1))
    for shard in await room.mailstore.shards():
        shutil.rmtree(shard)
    async with room.reader():
        machine = await room.machine(item)
    assert machine["flags"] == ["needs_review"]
    assert "no longer holds" in machine["reason"]


async def test_what_this_worker_left_and_what_another_abandoned_is_read(room: Room) -> None:
    left, abandoned = await room.put(letter(1)), await room.put(letter(2))
    await room.intake.open()
    assert len(await room.intake.take(room.blocking, "one", count=1, seconds=1)) == 1
    assert len(await room.intake.take(room.blocking, "gone", count=1, seconds=1)) == 1
    async with room.reader(abandoned=0.2):
        await room.machine(left)
        await room.machine(abandoned)


async def test_mail_that_is_being_read_is_not_taken_for_abandoned(room: Room) -> None:
    slow = await room.put(letter(1, headers="X-Poison: spin\r\n"))
    async with room.reader(POISON, seconds=1.5, abandoned=0.4):
        await room.begun(slow)
        for _ in range(30):
            assert await room.intake.abandoned("other", idle=0.4) == []
            await asyncio.sleep(0.02)
        machine = await room.machine(slow)
    assert "took longer" in machine["reason"]


async def test_a_first_try_is_not_counted_and_three_counted_ones_follow(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await room.put(letter(1, headers="X-Poison: crash\r\n"))
    count, counts = room.intake.count, list[int]()

    async def counted(waiting: Waiting, tries: int) -> None:
        await count(waiting, tries)
        counts.append(tries)

    monkeypatch.setattr(room.intake, "count", counted)
    async with room.reader(POISON):
        machine = await room.machine(item)
    assert "needs_review" in machine["flags"]
    assert "SIGABRT" in machine["reason"]
    assert counts == [1, 2, 3]


async def test_a_try_that_redis_counted_without_an_answer_is_one_try(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await room.put(letter(1))
    await room.intake.open()
    await room.intake.take(room.blocking, "one", count=1, seconds=1)  # left unfinished: it will be read carefully
    count, asked = room.intake.count, list[int]()

    async def unanswered(waiting: Waiting, tries: int) -> None:
        await count(waiting, tries)
        asked.append(tries)
        if len(asked) <= 3:
            raise StoreUnavailableError("Redis cannot serve: TimeoutError")

    monkeypatch.setattr(room.intake, "count", unanswered)
    async with room.reader():
        machine = await room.machine(item)
    assert asked == [1] * 4
    assert machine["flags"] == []


async def test_a_try_that_is_broken_off_from_outside_does_not_count(room: Room) -> None:
    item = await room.put(letter(1, headers="X-Poison: spin\r\n"))
    async with room.reader(POISON, seconds=60.0):
        await room.begun(item)
    assert int(await room.redis.hget(keys.attempts(item), "n")) == 0


async def test_a_removed_item_does_not_come_back(room: Room) -> None:
    item = await room.put(letter(1))
    await room.redis.set(keys.gone(item), 1)
    async with room.reader():

        async def done() -> bool:
            return not await room.intake.waiting()

        await until(done)
    assert not await room.redis.exists(keys.item(item))


async def test_a_full_disk_is_waited_for(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    item, write, tries = await room.put(letter(1)), durable.write, iter(range(100))

    def failing(*arguments: Any) -> None:
        if next(tries) < 4:
            raise OSError(28, "No space left on device")
        write(*arguments)

    monkeypatch.setattr(durable, "write", failing)
    async with room.reader():
        await room.machine(item)
    assert not await room.redis.exists(keys.attempts(item))


async def test_a_mail_that_is_removed_while_it_is_read_leaves_nothing_on_the_disk(room: Room) -> None:
    item = await room.put(letter(1))
    await room.redis.set(keys.gone(item), "{}")

    async def done() -> bool:
        return not await room.intake.waiting() and not await room.mailstore.stored(shard)

    (shard,) = await room.mailstore.shards()
    async with room.reader():
        await until(done)
    assert not list(shard.iterdir())
    assert not await room.redis.exists(keys.item(item))

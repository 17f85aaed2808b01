"""The lane of first readings, with entries that Redis gives more than once."""

import asyncio
from typing import Any, cast

import pytest

from tests.worker.polled_mailbox import until
from worker.publishing.careful_lane import CarefulLane
from worker.publishing.first_lane import SMALL_BYTES, FirstLane
from worker.publishing.mail_publisher import MailPublisher
from worker.sandbox.failure import ReadFailedError
from workitems.base.errors import StoreUnavailableError
from workitems.intake.consumer_group import ConsumerGroup, IntakeEntry

ENTRY = IntakeEntry("1-1", "wi_a", "desk", 10)


class Parts:
    """A group that gives ENTRY at each call, a publisher that fails once it is let go, and a careful lane."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.readings = 0
        self.careful: list[IntakeEntry] = []
        self.recoveries = 0
        self.is_away = False
        self.entries = [ENTRY]

    async def take(self, *_: Any, **__: Any) -> list[IntakeEntry]:
        if self.is_away:
            raise StoreUnavailableError("Redis cannot serve: ERR max number of clients reached")
        return self.entries

    async def publish_mail(self, _: IntakeEntry) -> None:
        self.readings += 1
        await self.let_go.wait()
        raise ReadFailedError("crash", "it crashed")

    def add(self, entry: IntakeEntry, _: ReadFailedError | None = None) -> None:
        self.careful.append(entry)

    async def recover_pending(self) -> None:
        self.recoveries += 1


def lane_of(parts: Parts) -> FirstLane:
    return FirstLane(
        cast(ConsumerGroup, parts), None, cast(MailPublisher, parts), cast(CarefulLane, parts),
        consumer="one", max_mails=8, max_bytes=2 * SMALL_BYTES,
    )  # fmt: skip


async def test_an_entry_that_is_given_again_while_it_is_read_is_read_once() -> None:
    """A Redis that lost its last second, or its consumer group, gives what was taken as new mail once more."""
    parts, errors = Parts(), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    lane = lane_of(parts)
    for _ in range(2):
        await lane.take_new()

    async def has_begun() -> bool:
        return parts.readings > 0

    async def has_ended() -> bool:
        return not lane.in_flight

    await until(has_begun)
    parts.let_go.set()
    await until(has_ended)
    assert parts.readings == 1
    assert parts.careful == [ENTRY]
    assert errors == []


async def test_small_mail_does_not_wait_for_the_memory_that_large_mail_uses() -> None:
    parts = Parts()
    sizes = [2 * SMALL_BYTES, 2 * SMALL_BYTES, SMALL_BYTES]
    parts.entries = [IntakeEntry(f"1-{n}", f"wi_{n}", "desk", size) for n, size in enumerate(sizes)]
    lane = lane_of(parts)
    await lane.take_new()

    async def is_read() -> bool:
        return parts.readings == 2

    await until(is_read)
    parts.let_go.set()
    await lane.drain(20.0)
    assert [entry.entry_id for entry in parts.careful] == ["1-0", "1-2", "1-1"]


async def test_a_take_that_fails_is_raised_so_that_the_next_one_is_not_tried_at_once() -> None:
    """A Redis without a free connection for the blocking client refuses at once, while the other client works."""
    parts = Parts()
    parts.is_away = True
    with pytest.raises(StoreUnavailableError, match="max number of clients"):
        await lane_of(parts).take_new()
    assert parts.recoveries == 1, "the lost answer may have contained mail"

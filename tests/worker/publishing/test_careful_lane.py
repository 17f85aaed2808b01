"""The careful lane, with mail whose reading takes as long as a test wants."""

import asyncio
from typing import Any, cast

from worker.publishing.careful_lane import CarefulLane
from worker.publishing.mail_publisher import MailPublisher
from worker.sandbox.failure import ReadFailedError, timeout_error
from workitems.intake.consumer_group import ConsumerGroup, IntakeEntry


class Parts:
    """A group in which every entry is pending, and a publisher that fails as long as `errors` has one for the mail."""

    def __init__(self) -> None:
        self.errors: dict[str, list[ReadFailedError]] = {}
        #: The entries in the order in which they were read, and whether each had timed out before.
        self.read: list[tuple[str, bool]] = []
        self.let_go: asyncio.Event | None = None

    async def claim_abandoned(self, *_: Any, **__: Any) -> list[IntakeEntry]:
        return []

    async def is_pending(self, _: str, __: str) -> bool:
        return True

    async def get_attempts(self, _: str) -> int:
        return 0

    async def set_attempts(self, *_: Any) -> None:
        pass

    async def publish_mail(self, entry: IntakeEntry, _: int, *, has_timed_out: bool) -> None:
        self.read.append((entry.entry_id, has_timed_out))
        if self.let_go:
            await self.let_go.wait()
        if errors := self.errors.get(entry.entry_id):
            raise errors.pop(0)


def entry(name: str) -> IntakeEntry:
    return IntakeEntry(name, f"wi_{name}", "desk")


def failed(name: str, error: ReadFailedError) -> ReadFailedError:
    """Return *error* as that of a mail of another sender for each *name*."""
    error.sender = (f"ann@{name}.example", f"{name}.example")
    return error


def lane_of(parts: Parts) -> CarefulLane:
    return CarefulLane(
        cast(ConsumerGroup, parts), cast(MailPublisher, parts), asyncio.Event(),
        consumer="one", min_idle_seconds=0.2, is_read_elsewhere=lambda _: False,
    )  # fmt: skip


async def test_mail_that_times_out_waits_behind_mail_that_came_later_and_then_has_more_time() -> None:
    parts = Parts()
    lane = lane_of(parts)
    for name in ("endless", "other", "third"):
        lane.add(entry(name), failed(name, timeout_error(0.05)))
    parts.errors["endless"] = [failed("endless", timeout_error(1.0))]
    await lane.retry_next()
    lane.add(entry("late"), failed("late", timeout_error(0.05)))
    for _ in range(4):
        await lane.retry_next()
    assert parts.read == [
        ("endless", False), ("other", False), ("third", False), ("late", False), ("endless", True),
    ]  # fmt: skip


async def test_mail_that_crashes_a_child_has_its_next_attempt_in_its_turn_and_no_more_time() -> None:
    parts = Parts()
    lane = lane_of(parts)
    lane.add(entry("crash"), failed("crash", ReadFailedError("crash", "it crashed")))
    parts.errors["crash"] = [failed("crash", ReadFailedError("crash", "it crashed"))]
    for _ in range(2):
        await lane.retry_next()
    assert parts.read == [("crash", False)] * 2


async def test_each_task_reads_one_mail_and_the_claims_of_all_are_known() -> None:
    parts = Parts()
    parts.let_go = asyncio.Event()
    lane = lane_of(parts)
    tasks = [asyncio.create_task(lane.retry_next()) for _ in range(3)]
    await asyncio.sleep(0)
    lane.add(entry("a"))
    lane.add(entry("b"))
    lane.add(entry("b"))
    done, reading = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == 1, "an entry that Redis gave twice is read once"
    assert set(lane.in_flight) == {"a", "b"}
    parts.let_go.set()
    await asyncio.gather(*reading)
    assert sorted(parts.read) == [("a", False), ("b", False)]
    assert not lane.in_flight


async def test_a_task_for_which_nothing_is_left_says_so() -> None:
    parts = Parts()
    lane = lane_of(parts)
    tasks = [asyncio.create_task(lane.retry_next()) for _ in range(2)]
    await asyncio.sleep(0)
    lane.add(entry("a"))
    assert sorted(await asyncio.gather(*tasks)) == [False, True]

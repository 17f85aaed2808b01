"""A folder that goes bad is told once, and so is its recovery; what passes by itself is not told at all."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from tests.worker.desk import until
from worker import health
from worker.health import Health
from workitems import keys
from workitems.errors import LeaseLostError
from workitems.lease import Lease
from workitems.mailbox import CONNECTING, FAILING, NEEDS_SIGN_IN, PAUSED, WATCHING, Mailbox, Progress
from workitems.redis import Client


@pytest.fixture
def make_health(redis: Client) -> Callable[..., Health]:
    return lambda **settings: Health(Mailbox(redis, "desk"), worker="one", **{"quiet": 30.0, "grace": 0.1, **settings})


def _told(lines: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(line["log_level"], line["event"]) for line in lines if line["log_level"] != "debug"]


async def _bad(folder: Health) -> bool:
    return folder._bad


async def test_a_trouble_that_lasts_is_told_once_and_its_end_once(make_health: Callable[..., Health]) -> None:
    folder = make_health()
    with capture_logs() as lines:
        await folder.tell(WATCHING)
        for reason in ("the line is dead", "no route", "the line is dead"):
            await folder.tell(FAILING, reason)
        await until(lambda: _bad(folder), 2)
        await folder.tell(PAUSED, "the disk is full")
        await folder.tell(WATCHING)
        await folder.tell(WATCHING)
    assert _told(lines) == [("warning", "the mailbox is not watched"), ("info", "the mailbox is watched again")]
    assert [line["reason"] for line in lines if line["log_level"] == "warning"] == ["the line is dead"]
    folder.rest()


async def test_a_trouble_that_passes_is_not_told(make_health: Callable[..., Health]) -> None:
    folder = make_health(grace=30.0)
    with capture_logs() as lines:
        for _ in range(5):
            await folder.tell(FAILING, "the server closed the connection")
            await folder.tell(CONNECTING)
            await folder.tell(WATCHING)
    assert _told(lines) == []
    folder.rest()


async def test_a_refused_sign_in_is_told_at_once(make_health: Callable[..., Health]) -> None:
    folder = make_health(grace=30.0)
    with capture_logs() as lines:
        await folder.tell(NEEDS_SIGN_IN, "the server refuses the password")
        await folder.tell(NEEDS_SIGN_IN, "the server refuses the password")
    assert _told(lines) == [("warning", "the mailbox is not watched")]
    folder.rest()


async def test_a_folder_that_is_believed_to_be_watched_and_is_silent_is_told_of(
    make_health: Callable[..., Health],
) -> None:
    folder = make_health(quiet=0.05)
    with capture_logs() as lines:
        await folder.tell(WATCHING)
        await until(lambda: _bad(folder), 2)
    assert lines[-1]["reason"] == "no round trip was completed"
    folder.rest()


async def test_a_folder_that_was_left_is_told_of_no_more(make_health: Callable[..., Health]) -> None:
    folder = make_health(grace=0.02)
    with capture_logs() as lines:
        await folder.tell(FAILING, "the line is dead")
        folder.rest()
        await asyncio.sleep(0.05)
    assert _told(lines) == []


async def test_what_is_recorded_is_the_last_round_trip_and_the_progress(
    make_health: Callable[..., Health], redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "RECORD", 0.0)
    monkeypatch.setattr(health, "RECORD_PROGRESS", 0.0)
    folder = make_health()
    await folder.tell(WATCHING)
    before = await redis.hgetall(keys.mailbox("desk"))
    folder.progress = Progress(16, 500)
    await folder.tell(WATCHING)
    record = await redis.hgetall(keys.mailbox("desk"))
    assert float(record[b"checked"]) > float(before[b"checked"])
    assert (record[b"taken"], record[b"todo"], record[b"worker"]) == (b"16", b"500", b"one")
    folder.progress = None
    await folder.tell(WATCHING)
    assert b"todo" not in await redis.hgetall(keys.mailbox("desk"))
    folder.rest()


async def test_who_does_not_hold_the_lease_says_nothing_of_the_mailbox(redis: Client) -> None:
    folder = Health(Mailbox(redis, "desk", lease=Lease(redis, "desk", "one", seconds=30)))
    with pytest.raises(LeaseLostError):
        await folder.tell(WATCHING)
    assert await redis.exists(keys.mailbox("desk")) == 0
    folder.rest()

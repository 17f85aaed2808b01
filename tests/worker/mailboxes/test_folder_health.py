"""A lasting failure of a folder is logged once, and so is its end. A short failure is not logged."""

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from tests.worker.polled_mailbox import until
from worker.mailboxes import folder_health
from worker.mailboxes.folder_health import FolderHealthRecorder
from workitems.base import keys
from workitems.base.errors import LeaseLostError
from workitems.base.redis import RedisClient
from workitems.mailboxes.checkpoint import (
    CONNECTING,
    FAILING,
    NEEDS_SIGN_IN,
    PAUSED,
    WATCHING,
    BackfillCounts,
    FolderRecord,
)
from workitems.mailboxes.lease import Lease


@pytest.fixture
def make_health(redis: RedisClient) -> Callable[..., FolderHealthRecorder]:
    return lambda **settings: FolderHealthRecorder(
        FolderRecord(redis, "desk"), worker="one", **{"quiet": 30.0, "grace": 3600.0, **settings}
    )


def _told(lines: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(line["log_level"], line["event"]) for line in lines if line["log_level"] != "debug"]


async def _bad(folder: FolderHealthRecorder) -> bool:
    return folder._is_warned


def _end_grace(folder: FolderHealthRecorder) -> None:
    """Act as if the time of the running timer were over."""
    assert folder._timer
    folder._timer.cancel()
    folder._alarm()


async def test_a_lasting_failure_is_logged_once_and_so_is_its_end(
    make_health: Callable[..., FolderHealthRecorder],
) -> None:
    folder = make_health()
    with capture_logs() as lines:
        await folder.record(WATCHING)
        for reason in ("the line is dead", "no route", "the line is dead"):
            await folder.record(FAILING, reason)
        _end_grace(folder)
        await folder.record(PAUSED, "the disk is full")
        await folder.record(WATCHING)
        await folder.record(WATCHING)
    assert _told(lines) == [("warning", "the mailbox is not watched"), ("info", "the mailbox is watched again")]
    assert [line["reason"] for line in lines if line["log_level"] == "warning"] == ["the line is dead"]
    folder.stop()


async def test_a_short_failure_is_not_logged(make_health: Callable[..., FolderHealthRecorder]) -> None:
    folder = make_health()
    with capture_logs() as lines:
        for _ in range(5):
            await folder.record(FAILING, "the server closed the connection")
            await folder.record(CONNECTING)
            await folder.record(WATCHING)
    assert _told(lines) == []
    folder.stop()


async def test_a_refused_sign_in_is_logged_at_once(make_health: Callable[..., FolderHealthRecorder]) -> None:
    folder = make_health()
    with capture_logs() as lines:
        await folder.record(NEEDS_SIGN_IN, "the server refuses the password")
        await folder.record(NEEDS_SIGN_IN, "the server refuses the password")
    assert _told(lines) == [("warning", "the mailbox is not watched")]
    folder.stop()


async def test_a_watched_folder_without_round_trips_is_logged(
    make_health: Callable[..., FolderHealthRecorder],
) -> None:
    folder = make_health(quiet=0.05, grace=0.1)
    with capture_logs() as lines:
        await folder.record(WATCHING)
        await until(lambda: _bad(folder))
    assert lines[-1]["reason"] == "no round trip was completed"
    folder.stop()


async def test_after_stop_nothing_more_is_logged(make_health: Callable[..., FolderHealthRecorder]) -> None:
    folder = make_health()
    with capture_logs() as lines:
        await folder.record(FAILING, "the line is dead")
        timer = folder._timer
        folder.stop()
    assert timer
    assert timer.cancelled()
    assert _told(lines) == []


async def test_what_is_recorded_is_the_last_round_trip_and_the_progress(
    make_health: Callable[..., FolderHealthRecorder], redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_health, "RECORD", 0.0)
    monkeypatch.setattr(folder_health, "RECORD_PROGRESS", 0.0)
    folder = make_health()
    await folder.record(WATCHING)
    await redis.hset(keys.mailbox("desk"), "checked", "1.000")
    folder.progress = BackfillCounts(16, 500)
    await folder.record(WATCHING)
    record = await redis.hgetall(keys.mailbox("desk"))
    assert float(record[b"checked"]) > 1.0
    assert (record[b"taken"], record[b"todo"], record[b"worker"]) == (b"16", b"500", b"one")
    folder.progress = None
    await folder.record(WATCHING)
    assert b"todo" not in await redis.hgetall(keys.mailbox("desk"))
    folder.stop()


async def test_without_the_lease_nothing_is_recorded(redis: RedisClient) -> None:
    folder = FolderHealthRecorder(FolderRecord(redis, "desk", lease=Lease(redis, "desk", "one", ttl_seconds=30)))
    with pytest.raises(LeaseLostError):
        await folder.record(WATCHING)
    assert await redis.exists(keys.mailbox("desk")) == 0
    folder.stop()

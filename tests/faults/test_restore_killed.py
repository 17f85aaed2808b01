"""A restore is killed at any of its steps: no program starts on what is there, and a second one brings all back."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import PROJECT, Program
from tests.support.redis_server import RedisServer
from tests.workitems.backup.conftest import Installation
from tests.workitems.backup.test_round_trip import kept
from workitems.base import keys
from workitems.base.errors import StoreUnavailableError
from workitems.queue.change import ItemChange

#: Seconds that one command may take.
PATIENCE = 60.0

#: The points at which a restore is killed, and how often it passes the point before that.
POINTS = ("marked", "claimed", "store", "records", "records:2", "records:3", "file", "file:4", "written", "finished")

#: Points at which nothing is there yet, or all of it.
STARTABLE = {"marked", "finished"}


@pytest.fixture
def old(redis_url: str, tmp_path: Path, io_loop: Any) -> Any:
    """An installation with mail, work of people and a removed item, and its backup in `backup`."""
    found = Installation(redis_url, tmp_path / "old")

    async def fill() -> None:
        ids = [await found.put(n) for n in range(3)]
        await found.read()
        await found.store.change(ids[0], ItemChange(status="waiting", assignee="ann"), who="ann")
        await found.erase(ids[2])
        await found.redis.hset(keys.mailbox("claims"), mapping={"uidvalidity": 7, "uid": 40})
        await found.back_up(tmp_path / "backup")

    io_loop.run_sync(fill)
    yield found
    io_loop.run_sync(found.close)


class Place:
    """Where the backup is restored: a data folder and a Redis."""

    def __init__(self, redis: RedisServer, folder: Path) -> None:
        self.url, self.folder, self.data = redis.url, folder, folder / "new"

    def restore(self, point: str = "") -> subprocess.CompletedProcess[str]:
        failpoint = f"restore-{point}" if point else ""
        return subprocess.run(
            [sys.executable, str(PROJECT / "run.py"), "restore", str(self.folder / "backup")],
            env={
                "PATH": os.environ["PATH"], "TUBEPOST_REDIS__URL": self.url, "TUBEPOST_DATA": str(self.data),
                "TUBEPOST_FAILPOINT": failpoint,
            },
            cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip

    def kill_restore(self, point: str) -> None:
        ended = self.restore(point)
        assert ended.returncode == -9, f"the failpoint was not reached: {ended.stderr}"

    def files(self) -> dict[str, bytes]:
        return contents(self.data / "mail")


def contents(mail: Path) -> dict[str, bytes]:
    found = {path.relative_to(mail).as_posix(): path for path in mail.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.endswith((".part", "lock"))}


@pytest.fixture
def place(old: Installation, own_redis: RedisServer, tmp_path: Path) -> Place:
    return Place(own_redis, tmp_path)


@pytest.mark.parametrize("point", POINTS)
async def test_a_killed_restore_is_run_again_and_until_then_no_program_starts(
    old: Installation, place: Place, point: str
) -> None:
    await asyncio.to_thread(place.kill_restore, point)
    if point not in STARTABLE:
        new = Installation(place.url, place.data)
        before = kept(place.url)
        with pytest.raises(StoreUnavailableError, match="restore of a backup into this Redis is not complete"):
            await new.durable_state.reconcile()
        assert kept(place.url) == before
        await new.close()
    again = await asyncio.to_thread(place.restore)
    assert again.returncode == 0, again.stderr
    assert kept(place.url) == kept(old.url)
    assert place.files() == contents(old.settings.mail_folder)
    new = Installation(place.url, place.data)
    assert await new.repair() == 0
    await new.close()


async def test_a_restore_that_is_killed_again_and_again_is_completed_by_the_last_one(
    old: Installation, place: Place
) -> None:
    for point in ("records:3", "emptied", "store", "file:2", "emptied", "written", "finished"):
        await asyncio.to_thread(place.kill_restore, point)
    assert (await asyncio.to_thread(place.restore)).returncode == 0
    assert kept(place.url) == kept(old.url)
    assert place.files() == contents(old.settings.mail_folder)


@pytest.mark.parametrize(
    ("verb", "waits", "goes_on"),
    [
        ("worker", "waiting for the mail store", "the mail store is available"),
        ("server", "waiting for a restore", "event=listening"),
    ],
)
async def test_a_program_that_starts_after_a_killed_restore_waits_until_it_is_complete(
    old: Installation, place: Place, verb: str, waits: str, goes_on: str
) -> None:
    await asyncio.to_thread(place.kill_restore, "written")
    program = Program(verb, place.folder, f'data = "{place.data}"\n[redis]\nurl = "{place.url}"\n')
    try:
        await asyncio.to_thread(program.start().until_logged, waits)
        assert "restore of a backup into this Redis is not complete" in program.log.read_text()
        assert goes_on not in program.log.read_text()
        assert (await asyncio.to_thread(place.restore)).returncode == 0, "a program that waits does not disturb it"
        await asyncio.to_thread(program.until_logged, goes_on)
    finally:
        program.stop()


@pytest.mark.parametrize("point", ["records:2", "file", "written", "finished"])
async def test_a_redis_that_is_used_after_a_killed_restore_is_never_emptied(
    old: Installation, place: Place, point: str
) -> None:
    """A person removed its mark, or an older version did not look at it; then nobody has its data but Redis."""
    await asyncio.to_thread(place.kill_restore, point)
    new = Installation(place.url, place.data)
    mark = await new.redis.getdel(keys.RESTORING)
    if point in ("records:2", "file"):
        await asyncio.to_thread(shutil.rmtree, place.data)
        await new.redis.delete(keys.STORE)
    await new.put(9, "New mail.")
    await new.read()
    if mark:
        await new.redis.set(keys.RESTORING, mark)
    before = kept(place.url)
    for data in (place.data, place.folder / "elsewhere"):
        place.data = data
        refused = await asyncio.to_thread(place.restore)
        assert refused.returncode == 2
        assert "programs have worked with this Redis" in refused.stderr or "is not empty" in refused.stderr
        assert kept(place.url) == before
    await new.close()

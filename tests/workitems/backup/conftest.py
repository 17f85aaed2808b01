"""An installation with mail, items and people's work, and an empty one into which a backup is restored."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.redis_server import RedisServer
from tests.workitems.intake_helpers import read_all
from tests.workitems.samples import mail, origin
from workitems.backup.creation import BackupResult, make_backup
from workitems.backup.restoration import RestoreResult, restore_backup
from workitems.base.redis import RedisClient, connect
from workitems.intake.put import Intake
from workitems.intake.repair import put_lost_mail
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore
from workitems.recovery.durable_state import DurableState
from workitems.settings import Settings

Progress = Callable[[str, int, int], Any]


def quiet(*_: Any) -> None:
    """Show no progress."""


class Installation:
    """One data folder and one Redis, and the parts that a worker makes of them."""

    def __init__(self, url: str, data: Path) -> None:
        self.url = url
        self.settings = Settings.model_validate({"data": data, "redis": {"url": url}})
        self.redis: RedisClient = connect(url)
        self.mailstore = MailStore(self.settings.mail_folder)
        self.durable_state = DurableState(self.redis, self.mailstore, max_events=1000)
        self.intake = Intake(
            self.redis,
            self.mailstore,
            max_waiting=1000,
            after_action_on={"claims": "published"},
            reconcile=self.durable_state.reconcile,
        )
        self.store = ItemStore(self.redis, max_events=1000, reserve=self.durable_state.reserve_references)

    async def put(self, n: int, body: str = "Hello.", **parts: Any) -> str:
        raw = mail(f"<{n}@example.com>", f"Claim {n}", body)
        return (await self.intake.put(raw, origin(raw, **parts))).id

    async def read(self) -> None:
        await read_all(self.redis, self.intake, self.mailstore)

    async def repair(self) -> int:
        """Do what a worker does after a start of Redis."""
        await self.durable_state.reconcile()
        await self.durable_state.reapply_removals()
        return sum([count async for count in put_lost_mail(self.intake)])

    async def erase(self, item_id: str) -> None:
        assert await self.durable_state.removal.remove(item_id, who="ann", why="asked for")
        await self.durable_state.removal.finish([item_id])

    async def back_up(
        self, folder: Path, progress: Progress = quiet, settings_file: Path | None = None
    ) -> BackupResult:
        return await asyncio.to_thread(make_backup, self.settings, folder, progress, settings_file=settings_file)

    async def restore(self, folder: Path, progress: Progress = quiet) -> RestoreResult:
        return await restore_backup(self.settings, folder, progress)

    async def close(self) -> None:
        self.mailstore.close()
        await self.redis.aclose()


@pytest.fixture
def make_installation(io_loop: Any) -> Iterator[Callable[[str, Path], Installation]]:
    made: list[Installation] = []

    def make(url: str, data: Path) -> Installation:
        made.append(Installation(url, data))
        return made[-1]

    yield make
    for each in made:
        io_loop.run_sync(each.close)


@pytest.fixture
def old(redis_url: str, tmp_path: Path, make_installation: Callable[..., Installation]) -> Installation:
    """The installation that is backed up."""
    return make_installation(redis_url, tmp_path / "old")


@pytest.fixture
def new(own_redis: RedisServer, tmp_path: Path, make_installation: Callable[..., Installation]) -> Installation:
    """An empty one."""
    return make_installation(own_redis.url, tmp_path / "new")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the backup, which does not exist yet."""
    return tmp_path / "backup"

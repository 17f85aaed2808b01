"""Commands that an operator runs by sudo: all that they make in the data folder belongs to the user of the programs.

Where the tests do not run as root, both are one user; tests/workitems/mailstore/test_ownership.py has the rule itself.
"""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.operations.test_backup_drill import Installation, make_installation
from tests.support.redis_server import RedisServer
from tests.workitems.backup.conftest import Installation as Parts
from worker.commands.restart import holding_alone

__all__ = ["make_installation"]

USER = 12345 if os.geteuid() == 0 else os.geteuid()


def of_others(folder: Path) -> list[str]:
    """Return what is not the user's."""
    return [str(path) for path in (folder, *folder.rglob("*")) if path.lstat().st_uid != USER]


def give(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, -1)


async def make_backup(url: str, data: Path, folder: Path) -> str:
    """Make a backup with mail, items and a tombstone; return the id of one item."""
    old = Parts(url, data)
    ids = [await old.put(n) for n in range(3)]
    await old.read()
    await old.erase(ids[2])
    await old.back_up(folder)
    await old.close()
    return ids[0]


@pytest.mark.parametrize("is_embedded", [True, False])
async def test_a_restore_and_what_follows_leave_no_file_of_root(
    make_installation: Callable[..., Installation], own_redis: RedisServer, redis_url: str, tmp_path: Path,
    is_embedded: bool,
) -> None:  # fmt: skip
    item_id = await make_backup(redis_url, tmp_path / "old", tmp_path / "backup")
    new = make_installation("new", None if is_embedded else own_redis.url)
    data = new.settings.data
    data.mkdir()
    give(new.folder)
    assert "Restored as of" in await asyncio.to_thread(new.run, "restore", str(tmp_path / "backup"))
    assert not of_others(data)
    if is_embedded:  # the other commands need a Redis that runs
        assert list((data / "redis").rglob("*.aof"))
        return
    commands = (("key", "add", "crm"), ("erase", "--yes", item_id), ("check",))
    for words in commands:
        await asyncio.to_thread(new.attempt, *words)
        assert not of_others(data), words
    assert (data / "mail" / ".tubepost" / "keys").exists(), "for this test to mean anything"
    assert (data / "mail" / ".tubepost" / "lock").exists()
    assert item_id in (data / "mail" / ".tubepost" / "gone").read_text()


async def test_a_backup_that_root_makes_once_is_continued_by_the_user(redis_url: str, tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    give(backups)
    await make_backup(redis_url, tmp_path / "old", backups / "tubepost")
    assert not of_others(backups)


def test_the_lock_of_a_restart_by_root_can_be_held_by_the_user_later(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    give(folder)
    with holding_alone(folder / "restart.lock"):
        pass
    assert not of_others(folder)


async def test_a_new_mail_store_of_root_belongs_to_the_owner_of_the_data_folder(redis_url: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    give(data)
    parts = Parts(redis_url, data)
    await parts.durable_state.reconcile()
    await parts.durable_state.reserve_references(5)
    await parts.put(1)
    await parts.read()
    await parts.mailstore.check_writable()
    assert not of_others(data)
    await asyncio.to_thread(shutil.rmtree, data / "mail")
    await parts.close()

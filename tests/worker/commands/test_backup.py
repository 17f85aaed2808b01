"""`run.py backup` and `run.py restore`: what they print."""

import asyncio
import errno
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.support.redis_server import RedisServer
from tests.worker.commands.test_erase import House
from tests.workitems.intake_helpers import read_all
from worker.commands.backup import (
    MAIL_LOST,
    NOT_SET_ASIDE,
    SET_ASIDE,
    WITH_SETTINGS,
    WITHOUT_SETTINGS,
    backup,
    progress_on,
    verify,
)
from worker.commands.progress_bar import ProgressLine
from worker.commands.restore import DAMAGED, restore
from workitems.base.redis import RedisClient
from workitems.settings import Settings


@pytest.fixture
def house(redis: RedisClient, redis_url: str, tmp_path: Path) -> House:
    return House(redis, redis_url, tmp_path / "data")


@pytest.fixture
def empty_redis() -> Iterator[RedisServer]:
    server = RedisServer().start()
    yield server
    server.stop()


async def test_they_say_what_a_backup_has_what_is_wrong_with_it_and_what_comes_next(
    house: House, empty_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, screen = tmp_path / "backup", io.StringIO()
    line = ProgressLine(screen)

    def said() -> str:
        text = screen.getvalue()
        screen.seek(0)
        screen.truncate()
        return text

    await house.put("ann@example.com")
    await house.item(0)
    assert await asyncio.to_thread(backup, house.settings, folder, with_settings=False, line=line)
    assert f"{folder} is complete, as of 20" in (printed := said())
    assert "1 items, 4 files (0.0 MB), 4 of them copied now, 0 removed." in printed
    assert WITHOUT_SETTINGS in printed
    assert "WARNING" not in printed

    config = tmp_path / "tubepost.toml"
    config.write_text("log = 'info'\n")
    monkeypatch.setenv("TUBEPOST_CONFIG", str(config))
    assert await asyncio.to_thread(backup, house.settings, folder, with_settings=True, line=line)
    assert WITH_SETTINGS in said()
    assert verify(folder, line=line)
    assert "is whole" in said()

    new = Settings.model_validate({"data": tmp_path / "new", "redis": {"url": empty_redis.url}})
    assert await restore(new, folder, line=line)
    assert "1 items, 5 files. Start Tubepost" in (printed := said())
    assert f"{new.data}/settings-of-backup/tubepost.toml was {config}" in printed

    raw = next(folder.glob("mail/*/*/*.eml.*"))
    raw.write_bytes(raw.read_bytes().swapcase())
    shutil.rmtree(new.data)
    with Redis.from_url(empty_redis.url) as client:
        client.flushall()
    assert not await restore(new, folder, line=line)
    assert f"DAMAGED: {raw.relative_to(folder).with_suffix('')}: the raw mail of wi_" in (printed := said())
    assert DAMAGED.format(count=1) in printed

    assert not verify(folder, line=line)
    assert f"DAMAGED: {raw}" in (printed := said())
    assert SET_ASIDE in printed
    assert "whole" not in printed
    assert await asyncio.to_thread(backup, house.settings, folder, with_settings=True, line=line)
    assert verify(folder, line=line)
    assert "is whole" in said()


async def test_a_verification_that_may_not_write_says_so(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, screen = tmp_path / "backup", io.StringIO()
    await house.put("ann@example.com")
    await asyncio.to_thread(backup, house.settings, folder, with_settings=False, line=ProgressLine(screen))
    raw = next(folder.glob("mail/*/*/*.eml.*"))
    raw.write_bytes(b"")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "rename", refuse)  # root may write everywhere
    assert not verify(folder, line=ProgressLine(screen))
    assert NOT_SET_ASIDE.format(refusal="Permission denied") in screen.getvalue()
    assert raw.exists()


async def test_mail_that_the_mail_store_lost_is_named_and_makes_the_command_fail(house: House, tmp_path: Path) -> None:
    folder, screen = tmp_path / "backup", io.StringIO()
    line = ProgressLine(screen)
    item_id = await house.put("ann@example.com")
    await read_all(house.redis, house.intake, house.mailstore)
    assert await asyncio.to_thread(backup, house.settings, folder, with_settings=False, line=line)
    await house.mailstore.remove(item_id)
    assert not await asyncio.to_thread(backup, house.settings, folder, with_settings=False, line=line)
    assert f"WARNING: the mail store does not have the mail of 1 items: {item_id}" in screen.getvalue()
    assert MAIL_LOST in screen.getvalue()


def test_each_kind_of_work_has_a_bar_of_its_own() -> None:
    screen, now = io.StringIO(), 0.0
    show = progress_on(ProgressLine(screen), clock=lambda: now)
    show("items", 1, 4)
    assert "items [#######" in screen.getvalue()
    assert "25%  1 of 4" in screen.getvalue()

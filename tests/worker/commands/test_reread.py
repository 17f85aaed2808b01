"""`run.py reread`: which items are read again, in what order, and how it continues after an interruption."""

import asyncio
import io
import os
import signal
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import eventually
from tests.worker.polled_mailbox import until
from worker.commands import reread as command
from worker.commands.progress_bar import ProgressLine
from worker.commands.reread import reread
from worker.jobs import reread as walk
from worker.main import rules
from workitems.base import keys
from workitems.base.errors import InvalidChangeError
from workitems.base.redis import RedisClient
from workitems.intake.identity import fingerprint
from workitems.intake.origin import MailOrigin
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore
from workitems.queue.item import MACHINE_DEFAULTS
from workitems.queue.store import ItemStore
from workitems.recovery.durable_state import DurableState
from workitems.settings import Settings
from workitems.settings.comparison import rules_digest
from workitems.status.heartbeats import HeartbeatWriter


class Desk:
    """Items with stored mail, as workers leave them, and the command."""

    def __init__(self, redis: RedisClient, url: str, folder: Path) -> None:
        box = {"host": "localhost", "user": "u", "password": "p"}
        self.redis = redis
        self.settings = Settings.model_validate(
            {"data": folder, "redis": {"url": url}, "mailboxes": {"claims": box, "orders": box}}
        )
        mailstore = MailStore(self.settings.mail_folder)
        state = DurableState(redis, mailstore, max_events=1000)
        self._mailstore = mailstore
        self._store = ItemStore(redis, max_events=1000, reserve=state.reserve_references)
        self._intake = Intake(redis, mailstore, max_waiting=100, reconcile=state.reconcile)
        self._output = io.StringIO()

    async def item(self, day: int, mailbox: str = "claims", body: str = "Hello.") -> str:
        """Store a mail of that day of March 2026, and the item that was read from it."""
        raw = f"Message-ID: <{day}@{mailbox}>\r\nSubject: A claim\r\n\r\n{body}\r\n".encode()
        arrived = datetime(2026, 3, day, 12, tzinfo=UTC)
        item_id = (await self._intake.put(raw, MailOrigin(mailbox, arrived, "test", len(raw)))).id
        [(entry, _)] = await self.redis.xrange(keys.INTAKE)
        await self._mailstore.store_reading(item_id, {"fields": {}}, [])
        machine = MACHINE_DEFAULTS | {"created_at": arrived.isoformat().replace("+00:00", "Z"), "subject": "A claim"}
        await self._store.publish(item_id, mailbox, machine, raws=[fingerprint(raw)], entry=entry.decode())
        return item_id

    async def reread(self, **how: Any) -> bool:
        return await reread(self.settings, line=ProgressLine(self._output), **how)

    async def waiting(self) -> list[str]:
        return [fields[b"id"].decode() for _, fields in await self.redis.xrange(keys.INTAKE)]

    @property
    def said(self) -> str:
        return self._output.getvalue()


@pytest.fixture
def desk(redis: RedisClient, redis_url: str, tmp_path: Path) -> Desk:
    return Desk(redis, redis_url, tmp_path)


async def test_every_item_waits_to_be_read_again_the_newest_first(desk: Desk) -> None:
    items = [await desk.item(day) for day in (1, 2, 3)]
    assert await desk.reread()
    assert await desk.waiting() == items[::-1]
    assert "3 items wait to be read again" in desk.said
    assert "No worker is running; they are read as soon as one runs." in desk.said
    assert not await desk.redis.exists(keys.REREAD)


async def test_an_interrupted_call_is_continued_with_the_same_rules_only(desk: Desk) -> None:
    items = [await desk.item(day) for day in (1, 2, 3)]
    score = await desk.redis.zscore(keys.items(), items[1])
    place = {"what": f"::{walk.digest(rules(desk.settings))}", "before": f"{score:.0f}"}
    await desk.redis.hset(keys.REREAD, mapping=place)
    assert await desk.reread()
    assert await desk.waiting() == items[:1]
    assert "continued: 2 of 3 items were looked at, the others came before 2026-03-02 12:00 UTC" in desk.said
    await desk.redis.hset(keys.REREAD, mapping=place | {"what": "::other"})
    assert await desk.reread()
    assert sorted(await desk.waiting()) == sorted(items)


async def test_a_day_and_a_mailbox_choose_the_items(desk: Desk) -> None:
    await desk.item(1)
    await desk.item(3, "orders")
    last = await desk.item(3)
    assert await desk.reread(since=date(2026, 3, 2), mailbox="claims")
    assert await desk.waiting() == [last]


async def test_an_unknown_mailbox_is_an_error_that_names_the_known_ones(desk: Desk) -> None:
    with pytest.raises(InvalidChangeError, match="set are: claims, orders"):
        await desk.reread(mailbox="nowhere")


async def test_few_mails_wait_at_a_time_and_an_interrupted_command_continues(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [await desk.item(day) for day in range(1, 6)]
    monkeypatch.setattr(walk, "MAX_WAITING", 2)
    running = asyncio.create_task(desk.reread())

    async def is_full() -> bool:
        return len(await desk.waiting()) == 2

    await until(is_full)
    os.kill(os.getpid(), signal.SIGINT)
    assert not await running
    assert "Stopped after 2 of 5 items. The same command continues from there." in desk.said
    # Workers have read them meanwhile.
    await desk.redis.delete(keys.INTAKE, *(keys.attempts(item_id) for item_id in items))
    monkeypatch.setattr(walk, "MAX_WAITING", 200)
    assert await desk.reread()
    assert await desk.waiting() == items[2::-1]


async def test_items_without_raw_mail_are_counted(desk: Desk) -> None:
    item_id = await desk.item(1)
    mailstore = MailStore(desk.settings.mail_folder)
    (await mailstore.raw_path(item_id)).unlink()
    mailstore.close()
    assert await desk.reread()
    assert await desk.waiting() == []
    assert "1 cannot be read again: their raw mail is no longer kept." in desk.said


async def test_nothing_is_read_again_before_the_workers_use_the_rules_of_the_settings(desk: Desk) -> None:
    await desk.item(1)
    heartbeat = HeartbeatWriter(desk.redis, "one", 1)
    await heartbeat.write((), "", "former rules")
    reading = asyncio.ensure_future(desk.reread())
    await eventually(lambda: "Waiting until the rules in the settings are used by one." in desk.said)
    assert await desk.waiting() == []
    await heartbeat.write((), "", rules_digest(desk.settings))
    assert await reading
    assert len(await desk.waiting()) == 1


async def test_a_worker_that_keeps_other_rules_is_named_with_its_error(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "RULES_SECONDS", 0.05)
    await desk.item(1)
    await HeartbeatWriter(desk.redis, "one", 1).write((), "fields.deal: wrong", "former rules")
    assert await desk.reread()
    assert "Other rules than in these settings are used by one: fields.deal: wrong." in desk.said
    assert len(await desk.waiting()) == 1

"""`run.py import` takes old mail: each once, oldest first, resumable, without moving a checkpoint."""

import asyncio
import io
import os
import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.worker.polled_mailbox import PolledMailbox, make_mail, until
from worker.commands import importer
from worker.commands.import_command import import_mail
from worker.commands.progress_bar import ProgressLine
from worker.mailboxes import fetcher
from workitems.base import keys
from workitems.base.errors import InvalidChangeError, LeaseLostError
from workitems.base.redis import RedisClient
from workitems.intake.identity import item_id
from workitems.mailboxes.checkpoint import BackfillCounts, Checkpoint, FolderRecord
from workitems.mailboxes.import_progress import ImportProgress, ImportProgressStore
from workitems.mailboxes.lease import Lease
from workitems.settings import Settings
from workitems.status.heartbeats import HeartbeatWriter

MakeMailbox = Callable[..., PolledMailbox]


class Run:
    """`run.py import` in this process; `said` is what it printed."""

    def __init__(self, mailbox: PolledMailbox, redis_url: str, place: Path, **more: Any) -> None:
        box = {
            "host": "127.0.0.1", "port": mailbox.server.port, "tls": "none", "user": mailbox.user,
            "password": mailbox.password, "folders": ["INBOX"], **more.pop("box", {}),
        }  # fmt: skip
        self.settings = Settings.model_validate(
            {"data": place / "var", "redis": {"url": redis_url}, "mailboxes": {"desk": box}, **more}
        )
        self._file = io.StringIO()

    async def __call__(self, start: Any = None, folder: str | None = None) -> bool:
        return await import_mail(self.settings, "desk", start, folder, ProgressLine(self._file))

    @property
    def said(self) -> str:
        return self._file.getvalue()


@pytest.fixture(autouse=True)
def _small_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "MAX_BATCH_MAILS", 16)


@pytest.fixture
def make_run(redis_url: str, tmp_path: Path) -> Callable[..., Run]:
    return lambda mailbox, **more: Run(mailbox, redis_url, tmp_path, **more)


async def test_all_old_mail_is_taken_in_order_and_the_worker_s_checkpoint_stays(
    make_mailbox: MakeMailbox, make_run: Callable[..., Run], redis: RedisClient
) -> None:
    mailbox = make_mailbox()
    mails = [make_mail(n) for n in range(40)]
    mailbox.seed(*mails)
    await FolderRecord(redis, "desk").set_checkpoint(Checkpoint(1, 7))
    run = make_run(mailbox)
    assert await run()
    assert await mailbox.waiting() == [item_id("desk", raw) for raw in mails]
    assert await FolderRecord(redis, "desk").checkpoint() == Checkpoint(1, 7)
    assert "40 mails taken: 40 new, 0 known already." in run.said
    assert "40 wait to be read." in run.said
    assert "No worker is running" in run.said
    assert not {name for name in await redis.keys("*") if b"import" in name}
    assert b"import_todo" not in await redis.hgetall(keys.mailbox("desk"))
    await HeartbeatWriter(redis, "one", 1).write(())
    again = make_run(mailbox)
    assert await again()
    assert "40 mails taken: 0 new, 40 known already." in again.said
    assert "No worker" not in again.said


async def test_an_import_from_a_day_on_takes_mail_of_that_day_and_later(
    make_mailbox: MakeMailbox, make_run: Callable[..., Run]
) -> None:
    mailbox = make_mailbox()
    client = mailbox.imap()
    for n, day in enumerate(("27-Feb-2026", "01-Mar-2026", "28-Feb-2026", "05-Mar-2026")):
        client.append("INBOX", None, f'"{day} 12:00:00 +0000"', make_mail(n))
    client.logout()
    assert await make_run(mailbox)(date(2026, 3, 1))
    assert await mailbox.waiting() == [item_id("desk", make_mail(1)), item_id("desk", make_mail(3))]


async def test_an_import_that_was_stopped_continues(
    make_mailbox: MakeMailbox, make_run: Callable[..., Run], redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = make_mailbox()
    mails = [make_mail(n) for n in range(200)]
    mailbox.seed(*mails)
    run = make_run(mailbox)
    show = importer.Importer._show

    async def show_and_interrupt(each: importer.Importer) -> None:
        await show(each)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(importer.Importer, "_show", show_and_interrupt)
        assert not await run()
    uid = (await ImportProgressStore(redis, "desk", "INBOX").get() or ImportProgress(0, 0, 0)).uid
    assert 16 <= uid < 200
    assert f"Stopped after {uid} of 200 mails. The same command continues from there." in run.said
    again = make_run(mailbox)
    assert await again()
    assert f"continuing after message {uid}" in again.said
    assert f"{200 - uid} mails taken: {200 - uid} new, 0 known already." in again.said
    assert await mailbox.waiting() == [item_id("desk", raw) for raw in mails]


async def test_progress_of_another_uidvalidity_or_start_is_not_continued(
    make_mailbox: MakeMailbox, make_run: Callable[..., Run], redis: RedisClient
) -> None:
    mailbox = make_mailbox()
    mailbox.seed(make_mail(1), make_mail(2))
    imports = ImportProgressStore(redis, "desk", "INBOX")
    await imports.save(ImportProgress(1, 1, 2))
    assert await make_run(mailbox)()
    assert len(await mailbox.waiting()) == 2
    client = mailbox.imap()
    validity = client.response("UIDVALIDITY")[1][0]
    client.logout()
    await imports.save(ImportProgress(int(validity), 2, 2, date(2020, 1, 1)))
    run = make_run(mailbox)
    assert await run("all")
    assert "2 known already" in run.said
    await imports.save(ImportProgress(int(validity), 2, 2, date(2020, 1, 1)))
    run = make_run(mailbox)
    assert await run()
    assert "0 mails taken" in run.said


async def test_two_imports_of_one_mailbox_do_not_run_at_once(
    make_mailbox: MakeMailbox, make_run: Callable[..., Run], redis: RedisClient
) -> None:
    await Lease(redis, "import.desk", "other", ttl_seconds=30).acquire()
    with pytest.raises(LeaseLostError, match="is running already"):
        await make_run(make_mailbox())()


async def test_every_watched_folder_is_imported_and_one_that_is_not_watched_by_its_name(
    make_mailbox: MakeMailbox, make_run: Callable[..., Run], redis: RedisClient
) -> None:
    mailbox = make_mailbox()
    client = mailbox.imap()
    for n, folder in enumerate(("INBOX", "Orders", "Sent", "Archive")):
        client.create(folder)
        client.append(folder, None, None, make_mail(n))
    client.logout()
    run = make_run(mailbox, box={"folders": ["INBOX", "Orders"], "sent_folder": "Sent"})
    assert await run()
    assert await mailbox.waiting() == [item_id("desk", make_mail(n)) for n in range(3)]
    assert await run(folder="Archive")
    assert await mailbox.waiting() == [item_id("desk", make_mail(n)) for n in range(4)]


async def test_a_full_intake_is_waited_for_and_reported(
    make_mailbox: MakeMailbox, make_run: Callable[..., Run], redis: RedisClient
) -> None:
    mailbox = make_mailbox()
    mailbox.seed(*(make_mail(n) for n in range(30)))
    run = make_run(mailbox, intake={"max_waiting": 20})
    importing = asyncio.create_task(run())

    async def waits() -> bool:
        return "waiting. 16 mails wait to be read already; it goes on by itself." in run.said

    await until(waits)
    assert int(await redis.hget(keys.mailbox("desk"), "import_todo")) == 30
    for entry, _ in await redis.xrange(keys.INTAKE):
        await redis.xdel(keys.INTAKE, entry)
    assert await importing
    assert "30 mails taken: 30 new" in run.said


async def test_a_server_that_goes_away_is_waited_for(
    make_mailbox: MakeMailbox, make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = make_mailbox()
    mailbox.seed(make_mail(1))
    run = make_run(mailbox, box={"port": 1})
    monkeypatch.setattr(importer, "MAX_ATTEMPTS", 1)
    with pytest.raises(Exception, match="no connection"):
        await run()
    assert run.said.count("Trying again.") == 1


async def test_an_unknown_mailbox_and_a_missing_folder_are_errors(
    make_mailbox: MakeMailbox, make_run: Callable[..., Run]
) -> None:
    run = make_run(make_mailbox())
    with pytest.raises(InvalidChangeError, match="set are: desk"):
        await import_mail(run.settings, "other", None, None)
    with pytest.raises(Exception, match='"Nowhere"'):
        await run(folder="Nowhere")


async def test_the_progress_of_a_killed_import_is_cleared_by_the_worker(redis: RedisClient) -> None:
    mailbox, lease = FolderRecord(redis, "desk"), Lease(redis, "import.desk", "dead", ttl_seconds=30)
    await lease.acquire()
    await mailbox.set_import_progress(BackfillCounts(3, 9))
    await mailbox.set_state("watching")
    assert await redis.hget(keys.mailbox("desk"), "import_taken") == b"3"
    await lease.release()
    await mailbox.set_state("watching")
    assert await redis.hget(keys.mailbox("desk"), "import_taken") is None

"""Old mail is taken on request: each once, oldest first, resumable, without moving the workers' checkpoint."""

import asyncio
import io
import os
import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.worker.desk import Desk, letter, until
from worker import fetching, importer
from worker.importing import import_mail
from worker.progress import Line
from workitems import keys
from workitems.errors import InvalidChangeError, LeaseLostError
from workitems.identity import item_id
from workitems.imports import Import, Imports
from workitems.lease import Lease
from workitems.mailbox import Checkpoint, Mailbox, Progress
from workitems.redis import Client
from workitems.settings import Settings
from workitems.workers import Report

MakeDesk = Callable[..., Desk]


class Run:
    """`run.py import` in this process; `said` is what a person reads."""

    def __init__(self, desk: Desk, redis_url: str, place: Path, **more: Any) -> None:
        box = {
            "host": "127.0.0.1", "port": desk.server.port, "tls": "none", "user": desk.user, "password": desk.password,
            "folder": ["INBOX"], **more.pop("box", {}),
        }  # fmt: skip
        self.settings = Settings.model_validate(
            {"data": place / "var", "redis": {"url": redis_url}, "mailboxes": {"desk": box}, **more}
        )
        self._file = io.StringIO()

    async def __call__(self, start: Any = None, folder: str | None = None) -> bool:
        return await import_mail(self.settings, "desk", start, folder, Line(self._file))

    @property
    def said(self) -> str:
        return self._file.getvalue()


@pytest.fixture(autouse=True)
def _small_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "HAND", 16)


@pytest.fixture
def make_run(redis_url: str, tmp_path: Path) -> Callable[..., Run]:
    return lambda desk, **more: Run(desk, redis_url, tmp_path, **more)


async def test_all_that_lies_there_is_taken_in_order_and_the_worker_s_checkpoint_stays(
    make_desk: MakeDesk, make_run: Callable[..., Run], redis: Client
) -> None:
    desk = make_desk()
    mails = [letter(n) for n in range(40)]
    desk.seed(*mails)
    await Mailbox(redis, "desk").begin(Checkpoint(1, 7))
    run = make_run(desk)
    assert await run()
    assert await desk.waiting() == [item_id("desk", raw) for raw in mails]
    assert await Mailbox(redis, "desk").checkpoint() == Checkpoint(1, 7)
    assert "40 mails taken: 40 new, 0 known already." in run.said
    assert "40 wait to be read." in run.said
    assert "No worker is running" in run.said
    assert not {name for name in await redis.keys("*") if b"import" in name}
    assert b"import_todo" not in await redis.hgetall(keys.mailbox("desk"))
    await Report(redis, "one", 1).write(())
    again = make_run(desk)
    assert await again()
    assert "40 mails taken: 0 new, 40 known already." in again.said
    assert "No worker" not in again.said


async def test_an_import_from_a_day_on_takes_mail_of_that_day_and_later(
    make_desk: MakeDesk, make_run: Callable[..., Run]
) -> None:
    desk = make_desk()
    client = desk.imap()
    for n, day in enumerate(("27-Feb-2026", "01-Mar-2026", "28-Feb-2026", "05-Mar-2026")):
        client.append("INBOX", None, f'"{day} 12:00:00 +0000"', letter(n))
    client.logout()
    assert await make_run(desk)(date(2026, 3, 1))
    assert await desk.waiting() == [item_id("desk", letter(1)), item_id("desk", letter(3))]


async def test_an_import_that_was_broken_off_goes_on_where_it_was(
    make_desk: MakeDesk, make_run: Callable[..., Run], redis: Client
) -> None:
    desk = make_desk()
    mails = [letter(n) for n in range(200)]
    desk.seed(*mails)
    run = make_run(desk)
    loop = asyncio.get_running_loop()
    importing = asyncio.create_task(run())

    async def some() -> bool:
        return len(await desk.waiting()) > 0

    await until(some)
    loop.call_soon(os.kill, os.getpid(), signal.SIGINT)
    assert not await importing
    uid = (await Imports(redis, "desk", "INBOX").get() or Import(0, 0, 0)).uid
    assert 16 <= uid < 200
    assert f"Stopped after {uid} of 200 mails. The same command goes on from there." in run.said
    again = make_run(desk)
    assert await again()
    assert f"it goes on after message {uid}" in again.said
    assert f"{200 - uid} mails taken: {200 - uid} new, 0 known already." in again.said
    assert await desk.waiting() == [item_id("desk", raw) for raw in mails]


async def test_a_record_of_another_numbering_or_another_beginning_is_begun_anew(
    make_desk: MakeDesk, make_run: Callable[..., Run], redis: Client
) -> None:
    desk = make_desk()
    desk.seed(letter(1), letter(2))
    imports = Imports(redis, "desk", "INBOX")
    await imports.put(Import(1, 1, 2))
    assert await make_run(desk)()
    assert len(await desk.waiting()) == 2
    client = desk.imap()
    validity = client.response("UIDVALIDITY")[1][0]
    client.logout()
    await imports.put(Import(int(validity), 2, 2, date(2020, 1, 1)))
    run = make_run(desk)
    assert await run("all")
    assert "2 known already" in run.said
    await imports.put(Import(int(validity), 2, 2, date(2020, 1, 1)))
    run = make_run(desk)
    assert await run()
    assert "0 mails taken" in run.said


async def test_two_imports_of_one_mailbox_do_not_run_at_once(
    make_desk: MakeDesk, make_run: Callable[..., Run], redis: Client
) -> None:
    await Lease(redis, "import.desk", "other", seconds=30).take()
    with pytest.raises(LeaseLostError, match="under way already"):
        await make_run(make_desk())()


async def test_every_watched_folder_is_imported_and_one_that_is_not_watched_by_its_name(
    make_desk: MakeDesk, make_run: Callable[..., Run], redis: Client
) -> None:
    desk = make_desk()
    client = desk.imap()
    for n, folder in enumerate(("INBOX", "Orders", "Sent", "Archive")):
        client.create(folder)
        client.append(folder, None, None, letter(n))
    client.logout()
    run = make_run(desk, box={"folder": ["INBOX", "Orders"], "sent": "Sent"})
    assert await run()
    assert await desk.waiting() == [item_id("desk", letter(n)) for n in range(3)]
    assert await run(folder="Archive")
    assert await desk.waiting() == [item_id("desk", letter(n)) for n in range(4)]


async def test_a_full_intake_is_waited_for_with_a_word(
    make_desk: MakeDesk, make_run: Callable[..., Run], redis: Client
) -> None:
    desk = make_desk()
    desk.seed(*(letter(n) for n in range(30)))
    run = make_run(desk, intake={"most": 20})
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
    make_desk: MakeDesk, make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make_desk()
    desk.seed(letter(1))
    run = make_run(desk, box={"port": 1})
    monkeypatch.setattr(importer, "TRIES", 1)
    with pytest.raises(Exception, match="no connection"):
        await run()
    assert run.said.count("It is tried again.") == 1


async def test_a_mailbox_that_is_not_set_and_a_folder_that_is_not_there_are_said(
    make_desk: MakeDesk, make_run: Callable[..., Run]
) -> None:
    run = make_run(make_desk())
    with pytest.raises(InvalidChangeError, match="set are: desk"):
        await import_mail(run.settings, "other", None, None)
    with pytest.raises(Exception, match='"Nowhere"'):
        await run(folder="Nowhere")


async def test_what_a_killed_import_told_the_page_is_taken_back_by_the_worker(redis: Client) -> None:
    mailbox, lease = Mailbox(redis, "desk"), Lease(redis, "import.desk", "dead", seconds=30)
    await lease.take()
    await mailbox.importing(Progress(3, 9))
    await mailbox.tell("watching")
    assert await redis.hget(keys.mailbox("desk"), "import_taken") == b"3"
    await lease.release()
    await mailbox.tell("watching")
    assert await redis.hget(keys.mailbox("desk"), "import_taken") is None

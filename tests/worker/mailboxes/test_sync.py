"""UIDVALIDITY, searches and reconnects of the poller, with scripted servers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date

import pytest

from tests.support.scripted_imap import ScriptedImap, Talk
from tests.worker.faulty_mailbox import FaultyMailbox, Message
from tests.worker.polled_mailbox import PolledMailbox, make_mail, until
from worker.mailboxes import folder_health, poller
from worker.mailboxes.connections import AccountConnector, HostConnectLimiter
from worker.mailboxes.poller import Poller
from worker.mailboxes.watched_folder import WatchedFolder
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.intake.identity import item_id
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import Checkpoint, FolderRecord
from workitems.mailstore.store import MailStore

MakeMailbox = Callable[..., PolledMailbox]
MakePoller = Callable[..., Poller]


@pytest.fixture
def make_poller(redis: RedisClient, intake: Intake) -> MakePoller:
    def make(server: ScriptedImap, **settings: object) -> Poller:
        watch = WatchedFolder("desk", lambda: server.account, **{"start": "all", **settings})  # type: ignore[arg-type]
        return Poller(watch, FolderRecord(redis, "desk"), intake, AccountConnector(HostConnectLimiter(apart=0.0)))

    return make


async def _waiting(redis: RedisClient) -> list[str]:
    return [fields[b"id"].decode() for _, fields in await redis.xrange(keys.INTAKE)]


class Doubtful(FaultyMailbox):
    """Gives another UIDVALIDITY with each SELECT: those of *says*, then always the last one."""

    says: tuple[int, ...] = ()

    def _answer(self, command: str, words: list[str]) -> tuple[list[bytes], str]:
        if words[0] == "SELECT":
            self.uidvalidity, self.says = self.says[0], self.says[1:] or self.says
        return super()._answer(command, words)


@pytest.mark.parametrize(
    ("says", "taken", "baselines"), [((7, 8), [3], b"1"), ((7, 7), [1, 2, 3], b"2"), ((8,), [3], b"1")]
)
async def test_a_new_uidvalidity_is_believed_after_a_second_select(
    says: tuple[int, ...], taken: list[int], baselines: bytes, make_poller: MakePoller, redis: RedisClient
) -> None:
    await FolderRecord(redis, "desk").set_checkpoint(Checkpoint(8, 2))
    faulty = Doubtful({n: Message(make_mail(n)) for n in (1, 2, 3)})
    faulty.says = says
    async with ScriptedImap(faulty.serve) as server:
        watching = make_poller(server)
        await watching.poll_once()
        assert await _waiting(redis) == [item_id("desk", make_mail(n)) for n in taken]
        assert await redis.hget(keys.mailbox("desk"), "baselines") == baselines
        await watching.stop(1)


async def test_of_a_large_mailbox_that_is_read_from_now_on_nothing_old_is_asked_for(make_poller: MakePoller) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select(exists=100_000)
        await talk.answer("UID SEARCH UID 100001:\\*", "* SEARCH 100000")  # a range with * is never empty
        await talk.answer("LOGOUT", "* BYE see you")

    async with ScriptedImap(script) as server:
        watching = make_poller(server, start="now")
        assert not await watching.poll_once()
        await watching.stop(1)
        assert server.talk is not None
        assert not [line for line in server.talk.heard if line.startswith("UID FETCH")]


async def _brief(talk: Talk) -> None:
    """Works until it is asked for mail."""
    await talk.sign_in("IMAP4rev1")
    await talk.select(exists=0)
    await talk.answer("UID SEARCH .*", "* SEARCH")
    talk.hang_up()


@pytest.mark.parametrize(("steady", "attempts"), [(30.0, [0, 1, 2]), (0.0, [0, 0, 0])])
async def test_a_server_that_ends_each_connection_is_retried_with_growing_waits(
    steady: float, attempts: list[int], make_poller: MakePoller, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[int]()

    def delay(attempt: int, **_: float) -> float:
        seen.append(attempt)
        return 0.0 if len(seen) < 3 else 60.0

    monkeypatch.setattr(poller, "delay", delay)
    monkeypatch.setattr(poller, "STEADY", steady)
    async with ScriptedImap(_brief, _brief, _brief) as server:
        watching = make_poller(server)

        async def enough() -> bool:
            return len(seen) >= 3

        await _while_running(watching, enough)
    assert seen[:3] == attempts


async def _while_running(watching: Poller, condition: Callable[[], Awaitable[object]]) -> None:
    running = asyncio.create_task(watching.run())
    try:
        await until(condition)
    finally:
        await watching.stop(1)
        await asyncio.wait([running])


async def test_the_progress_of_a_backfill_is_recorded(
    make_mailbox: MakeMailbox, redis: RedisClient, mailstore: MailStore
) -> None:
    mailbox = make_mailbox(intake=Intake(redis, mailstore, max_waiting=100))
    mailbox.seed(*(make_mail(n) for n in range(250)))

    async def paused() -> bool:
        return (await mailbox.record()).get("state") == "paused"

    async def watched() -> bool:
        for entry, _ in await redis.xrange(keys.INTAKE):
            await redis.xdel(keys.INTAKE, entry)
        record = await mailbox.record()
        return record.get("state") == "watching" and record["uid"] == "250" and "todo" not in record

    async def both() -> bool:
        await until(paused)
        record = await mailbox.record()
        assert record["todo"] == "250"
        assert 0 < int(record["taken"]) <= 100
        await until(watched)
        return True

    await _while_running(mailbox.poller, both)


async def test_a_quiet_mailbox_is_seen_to_live(make_mailbox: MakeMailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_health, "RECORD", 0.0)
    mailbox, seen = make_mailbox(poll_seconds=0.1), set[str]()

    async def checked() -> bool:
        seen.add((await mailbox.record()).get("checked", ""))
        return len(seen) > 4

    await _while_running(mailbox.poller, checked)


async def test_mail_from_a_day_on_is_searched_by_that_day(make_poller: MakePoller) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select(exists=100_000)
        await talk.answer("UID SEARCH UID 1:\\* SINCE 1-Mar-2026", "* SEARCH")
        await talk.answer("UID SEARCH UID 100001:\\*", "* SEARCH 100000")
        await talk.answer("LOGOUT", "* BYE see you")

    async with ScriptedImap(script) as server:
        watching = make_poller(server, start=date(2026, 3, 1))
        assert not await watching.poll_once()
        await watching.stop(1)

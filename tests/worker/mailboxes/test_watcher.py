"""One worker at a time watches a mailbox, also when another worker or Redis fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from tests.worker.polled_mailbox import PolledMailbox, make_mail, until
from worker.mailboxes import watcher
from worker.mailboxes.checkpoints import StartFrom
from worker.mailboxes.connections import AccountConnector, HostConnectLimiter
from worker.mailboxes.poller import Poller
from worker.mailboxes.watched_folder import WatchedFolder
from worker.mailboxes.watcher import BackgroundJob, Watcher
from workitems.base import keys
from workitems.base.errors import LeaseLostError
from workitems.base.redis import RedisClient
from workitems.intake.identity import item_id
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import FolderRecord
from workitems.mailboxes.lease import Lease
from workitems.mailstore.store import MailStore

MakeMailbox = Callable[..., PolledMailbox]


class Worker:
    """The watcher of a worker for the mailbox."""

    def __init__(
        self, mailbox: PolledMailbox, intake: Intake, name: str, *, seconds: float = 30.0,
        folders: Sequence[str] = ("INBOX",), beside: Sequence[BackgroundJob] = (), start: StartFrom = "all",
    ) -> None:  # fmt: skip
        self.lease = Lease(mailbox.redis, "desk", name, ttl_seconds=seconds)
        access = AccountConnector(HostConnectLimiter(apart=0.0))
        self.pollers = [
            Poller(
                WatchedFolder("desk", mailbox.account, folder, start=start, poll_seconds=1.0),
                FolderRecord(mailbox.redis, "desk", folder, self.lease), intake, access, worker=name,
            )
            for folder in folders
        ]  # fmt: skip
        self.watcher = Watcher(self.lease, self.pollers, beside)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator["Worker"]:
        running = asyncio.create_task(self.watcher.run())
        try:
            yield self
        finally:
            self.watcher.stop(1.0)
            async with asyncio.timeout(20):
                await running


async def _record(redis: RedisClient, folder: str = "INBOX") -> dict[str, str]:
    found = await redis.hgetall(keys.mailbox("desk", folder))
    return {name.decode(): value.decode() for name, value in found.items()}


def _watched_by(redis: RedisClient, worker: str, folder: str = "INBOX") -> Callable[[], object]:
    async def condition() -> bool:
        record = await _record(redis, folder)
        return (record.get("state"), record.get("worker")) == ("watching", worker)

    return condition


def _came(mailbox: PolledMailbox, count: int) -> Callable[[], object]:
    async def condition() -> bool:
        return len(await mailbox.waiting()) == count

    return condition


async def _renewals(lease: Lease, count: int) -> None:
    """Wait until the worker asked for its lease *count* times more: three times are its whole lifetime."""
    acquire, asked = lease.acquire, 0

    async def count_and_acquire() -> float:
        nonlocal asked
        asked += 1
        return await acquire()

    async def is_renewed() -> bool:
        return asked >= count

    lease.acquire = count_and_acquire  # type: ignore[method-assign]
    await until(is_renewed)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "TRY", 0.1)


async def test_one_worker_watches_and_the_other_takes_over_at_once_when_it_stops(
    make_mailbox: MakeMailbox, intake: Intake, redis: RedisClient
) -> None:
    mailbox = make_mailbox()
    mailbox.seed(make_mail(1))
    one, two = Worker(mailbox, intake, "one"), Worker(mailbox, intake, "two")
    async with contextlib.AsyncExitStack() as stack:
        async with one.at_work():
            await until(_watched_by(redis, "one"))
            await stack.enter_async_context(two.at_work())
            mailbox.seed(make_mail(2))
            await until(_came(mailbox, 2))
            assert one.watcher.has_lease
            assert not two.watcher.has_lease
        await until(_watched_by(redis, "two"))
        mailbox.seed(make_mail(3))
        await until(_came(mailbox, 3))
    assert await mailbox.waiting() == [item_id("desk", make_mail(n)) for n in (1, 2, 3)]
    assert await redis.exists(keys.lease("desk")) == 0


async def test_the_mailbox_of_a_worker_that_is_not_heard_of_is_taken_over_when_its_lease_ends(
    make_mailbox: MakeMailbox, intake: Intake, redis: RedisClient
) -> None:
    mailbox = make_mailbox()
    dead = Lease(redis, "desk", "dead", ttl_seconds=3600)
    await dead.acquire()
    async with Worker(mailbox, intake, "two").at_work():
        assert await _record(redis) == {}, "who does not hold it says nothing of it"
        await redis.delete(keys.lease("desk"))  # as if its time were over
        await until(_watched_by(redis, "two"))
        with pytest.raises(LeaseLostError):
            await FolderRecord(redis, "desk", lease=dead).advance_checkpoint(1, 1)


async def test_a_worker_that_lost_its_lease_moves_no_checkpoint_and_leaves_the_mailbox(
    make_mailbox: MakeMailbox, intake: Intake, redis: RedisClient
) -> None:
    mailbox = make_mailbox()
    mailbox.seed(make_mail(1))
    late = Worker(mailbox, intake, "late")
    await late.lease.acquire()
    await late.pollers[0].poll_once()
    await redis.delete(keys.lease("desk"))  # as if its time were over
    async with Worker(mailbox, intake, "two").at_work():
        await until(_watched_by(redis, "two"))
        checkpoint = await FolderRecord(redis, "desk").checkpoint()
        mailbox.seed(make_mail(2))
        await until(_came(mailbox, 2))
        mailbox.seed(make_mail(3))
        with pytest.raises(LeaseLostError):
            await late.pollers[0].poll_once()
        assert (await _record(redis))["worker"] == "two"
        await late.pollers[0].stop(0)
        assert checkpoint is not None
        with capture_logs() as lines:
            async with late.at_work():
                await until(lambda: _said(lines, "another worker watches the mailbox"))
        assert not late.watcher.has_lease
        assert not [line for line in lines if line["log_level"] in ("warning", "error")]


async def _said(lines: Sequence[object], event: str) -> bool:
    return any(isinstance(line, dict) and line["event"] == event for line in lines)


async def test_a_lease_is_renewed_for_as_long_as_it_is_held(
    make_mailbox: MakeMailbox, intake: Intake, redis: RedisClient
) -> None:
    mailbox = make_mailbox()
    async with Worker(mailbox, intake, "one", seconds=3.0).at_work() as one:
        await until(_watched_by(redis, "one"))
        token = one.lease.token
        async with Worker(mailbox, intake, "two").at_work() as two:
            await _renewals(one.lease, 4)
            assert not two.watcher.has_lease
        assert one.lease.token == token


async def test_after_a_loss_of_redis_data_the_worker_continues_from_its_last_checkpoint(
    make_mailbox: MakeMailbox, intake: Intake, redis: RedisClient
) -> None:
    mailbox = make_mailbox()
    mailbox.seed(make_mail(1), make_mail(2))
    # From now on: what lay there before is not wanted, not even when Redis has forgotten where we began.
    async with Worker(mailbox, intake, "one", start="now").at_work():
        await until(_watched_by(redis, "one"))
        await redis.flushall()
        mailbox.seed(make_mail(3))
        await until(_came(mailbox, 1))
        assert await mailbox.waiting() == [item_id("desk", make_mail(3))]
        await until(_watched_by(redis, "one"))
        record = await _record(redis)
        assert record["uid"] == "3"
        assert "rebaselined" in record


async def test_a_background_job_runs_only_while_the_lease_is_held(
    make_mailbox: MakeMailbox, intake: Intake, redis: RedisClient
) -> None:
    mailbox, going = make_mailbox(), list[str]()

    async def beside() -> None:
        going.append("begun")
        try:
            await asyncio.sleep(3600)
        finally:
            going.append("ended")

    other = Lease(redis, "desk", "other", ttl_seconds=30)
    await other.acquire()
    async with Worker(mailbox, intake, "one", beside=[beside]).at_work():
        assert going == []
        await other.release()
        await until(_watched_by(redis, "one"))
        assert going == ["begun"]
        await redis.set(keys.lease("desk"), "1.1 thief", ex=30)
        await until(lambda: _eventually(going, ["begun", "ended"]))


async def _eventually(what: list[str], wanted: list[str]) -> bool:
    return what == wanted


async def test_a_part_that_fails_ends_the_watcher_with_its_error(
    make_mailbox: MakeMailbox, intake: Intake, redis: RedisClient
) -> None:
    async def beside() -> None:
        raise RuntimeError("beside")

    with pytest.raises(RuntimeError, match="beside"):
        await Worker(make_mailbox(), intake, "one", beside=[beside]).watcher.run()


async def test_folders_are_watched_side_by_side_and_one_that_does_not_exist_fails_alone(
    make_mailbox: MakeMailbox, intake: Intake, redis: RedisClient
) -> None:
    mailbox = make_mailbox()
    client = mailbox.imap()
    client.create("Orders")
    async with Worker(mailbox, intake, "one", folders=("INBOX", "Orders", "Missing")).at_work():
        await until(_watched_by(redis, "one"))
        await until(_watched_by(redis, "one", "Orders"))
        client.append("Orders", None, None, make_mail(1))
        client.append("INBOX", None, None, make_mail(2))
        await until(_came(mailbox, 2))
        missing = await _record(redis, "Missing")
        assert missing["state"] == "failing"
        assert '"Missing"' in missing["error"]
        assert [(await _record(redis, folder))["uid"] for folder in ("INBOX", "Orders")] == ["1", "1"]
    client.logout()


async def test_a_mail_in_two_folders_or_moved_is_one_item(
    make_mailbox: MakeMailbox, intake: Intake, redis: RedisClient
) -> None:
    mailbox = make_mailbox()
    client = mailbox.imap()
    client.create("Orders")
    async with Worker(mailbox, intake, "one", folders=("INBOX", "Orders")).at_work():
        await until(_watched_by(redis, "one", "Orders"))
        client.append("INBOX", None, None, make_mail(1))
        await until(_came(mailbox, 1))
        client.select("INBOX")
        client.copy("1", "Orders")

        async def both() -> bool:
            locations = await redis.hget(keys.attempts(item_id("desk", make_mail(1))), "locations")
            return len(locations.split(b"\n")) == 2

        await until(both)
        client.append("INBOX", None, None, make_mail(2))
        await until(_came(mailbox, 2))
        client.select("INBOX")
        client.uid("MOVE", "2", "Orders")

        async def passed() -> bool:
            return (await _record(redis, "Orders")).get("uid") == "2"

        await until(passed)
    assert await mailbox.waiting() == [item_id("desk", make_mail(n)) for n in (1, 2)]
    client.logout()


async def test_a_poller_that_has_to_wait_keeps_its_mailbox(
    make_mailbox: MakeMailbox, redis: RedisClient, mailstore: MailStore
) -> None:
    mailbox = make_mailbox()
    mailbox.seed(make_mail(1), make_mail(2))
    async with Worker(mailbox, Intake(redis, mailstore, max_waiting=1), "one", seconds=3.0).at_work() as one:

        async def paused() -> bool:
            return (await _record(redis)).get("state") == "paused"

        await until(paused)
        token = one.lease.token
        await _renewals(one.lease, 4)
        assert await paused()
        assert one.lease.token == token
        await redis.xtrim(keys.INTAKE, maxlen=0)
        await until(_came(mailbox, 1))
        assert await mailbox.waiting() == [item_id("desk", make_mail(2))]

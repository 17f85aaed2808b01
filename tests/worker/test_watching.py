"""One worker at a time watches a mailbox, with real mailboxes, whatever becomes of the other and of Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from tests.worker.desk import Desk, letter, until
from worker import watching
from worker.access import Access, Turns
from worker.baseline import Start
from worker.poller import Poller
from worker.watch import Watch
from worker.watching import Beside, Watcher
from workitems import keys
from workitems.errors import LeaseLostError
from workitems.identity import item_id
from workitems.intake import Intake
from workitems.lease import Lease
from workitems.mailbox import Mailbox
from workitems.mailstore import MailStore
from workitems.redis import Client

MakeDesk = Callable[..., Desk]


class Worker:
    """What a worker makes of one mailbox of a Desk."""

    def __init__(
        self, desk: Desk, intake: Intake, name: str, *, seconds: float = 30.0, folders: Sequence[str] = ("INBOX",),
        beside: Sequence[Beside] = (), start: Start = "all",
    ) -> None:  # fmt: skip
        self.lease = Lease(desk.redis, "desk", name, seconds=seconds)
        access = Access(Turns(apart=0.0))
        self.pollers = [
            Poller(
                Watch("desk", desk.account, folder, start=start, poll=1.0),
                Mailbox(desk.redis, "desk", folder, self.lease), intake, access, worker=name,
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
            async with asyncio.timeout(5):
                await running


async def _record(redis: Client, folder: str = "INBOX") -> dict[str, str]:
    found = await redis.hgetall(keys.mailbox("desk", folder))
    return {name.decode(): value.decode() for name, value in found.items()}


def _watched_by(redis: Client, worker: str, folder: str = "INBOX") -> Callable[[], object]:
    async def condition() -> bool:
        record = await _record(redis, folder)
        return (record.get("state"), record.get("worker")) == ("watching", worker)

    return condition


def _came(desk: Desk, count: int) -> Callable[[], object]:
    async def condition() -> bool:
        return len(await desk.waiting()) == count

    return condition


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "TRY", 0.1)


async def test_one_worker_watches_and_the_other_takes_over_at_once_when_it_stops(
    make_desk: MakeDesk, intake: Intake, redis: Client
) -> None:
    desk = make_desk()
    desk.seed(letter(1))
    one, two = Worker(desk, intake, "one"), Worker(desk, intake, "two")
    async with contextlib.AsyncExitStack() as stack:
        async with one.at_work():
            await until(_watched_by(redis, "one"))
            await stack.enter_async_context(two.at_work())
            desk.seed(letter(2))
            await until(_came(desk, 2))
            assert one.watcher.holds
            assert not two.watcher.holds
        await until(_watched_by(redis, "two"), 2)
        desk.seed(letter(3))
        await until(_came(desk, 3))
    assert await desk.waiting() == [item_id("desk", letter(n)) for n in (1, 2, 3)]
    assert await redis.exists(keys.lease("desk")) == 0


async def test_the_mailbox_of_a_worker_that_is_not_heard_of_is_taken_over_when_its_lease_ends(
    make_desk: MakeDesk, intake: Intake, redis: Client
) -> None:
    desk = make_desk()
    dead = Lease(redis, "desk", "dead", seconds=0.5)
    await dead.take()
    async with Worker(desk, intake, "two").at_work():
        assert await _record(redis) == {}, "who does not hold it says nothing of it"
        await until(_watched_by(redis, "two"), 3)
        with pytest.raises(LeaseLostError):
            await Mailbox(redis, "desk", lease=dead).advance(1, 1)


async def test_who_slept_over_its_lease_moves_nothing_and_leaves_the_mailbox_to_the_other(
    make_desk: MakeDesk, intake: Intake, redis: Client
) -> None:
    desk = make_desk()
    desk.seed(letter(1))
    late = Worker(desk, intake, "late")
    await late.lease.take()
    await late.pollers[0].poll_once()
    await redis.delete(keys.lease("desk"))  # as if its time were over
    async with Worker(desk, intake, "two").at_work():
        await until(_watched_by(redis, "two"))
        checkpoint = await Mailbox(redis, "desk").checkpoint()
        desk.seed(letter(2))
        await until(_came(desk, 2))
        desk.seed(letter(3))
        with pytest.raises(LeaseLostError):
            await late.pollers[0].poll_once()
        assert (await _record(redis))["worker"] == "two"
        await late.pollers[0].stop(0)
        assert checkpoint is not None
        with capture_logs() as lines:
            async with late.at_work():
                await until(lambda: _said(lines, "another worker watches the mailbox"))
        assert not late.watcher.holds
        assert not [line for line in lines if line["log_level"] in ("warning", "error")]


async def _said(lines: Sequence[object], event: str) -> bool:
    return any(isinstance(line, dict) and line["event"] == event for line in lines)


async def test_a_lease_is_renewed_for_as_long_as_it_is_held(make_desk: MakeDesk, intake: Intake, redis: Client) -> None:
    desk = make_desk()
    async with Worker(desk, intake, "one", seconds=0.6).at_work() as one:
        await until(_watched_by(redis, "one"))
        token = one.lease.token
        async with Worker(desk, intake, "two").at_work() as two:
            await asyncio.sleep(1.0)  # longer than it lasts
            assert not two.watcher.holds
        assert one.lease.token == token


async def test_a_redis_that_lost_its_memory_is_gone_on_with_at_once_from_where_we_were(
    make_desk: MakeDesk, intake: Intake, redis: Client
) -> None:
    desk = make_desk()
    desk.seed(letter(1), letter(2))
    # From now on: what lay there before is not wanted, not even when Redis has forgotten where we began.
    async with Worker(desk, intake, "one", start="now").at_work():
        await until(_watched_by(redis, "one"))
        await redis.flushall()
        desk.seed(letter(3))
        await until(_came(desk, 1), 5)
        assert await desk.waiting() == [item_id("desk", letter(3))]
        await until(_watched_by(redis, "one"), 5)
        record = await _record(redis)
        assert record["uid"] == "3"
        assert "rebaselined" in record


async def test_what_is_done_beside_is_done_only_while_the_lease_is_held(
    make_desk: MakeDesk, intake: Intake, redis: Client
) -> None:
    desk, going = make_desk(), list[str]()

    async def beside() -> None:
        going.append("begun")
        try:
            await asyncio.sleep(3600)
        finally:
            going.append("ended")

    other = Lease(redis, "desk", "other", seconds=30)
    await other.take()
    async with Worker(desk, intake, "one", beside=[beside]).at_work():
        assert going == []
        await other.release()
        await until(_watched_by(redis, "one"))
        assert going == ["begun"]
        await redis.set(keys.lease("desk"), "1.1 thief", ex=30)
        await until(lambda: _eventually(going, ["begun", "ended"]), 5)


async def _eventually(what: list[str], wanted: list[str]) -> bool:
    return what == wanted


async def test_a_part_that_fails_ends_the_watcher_with_its_error(
    make_desk: MakeDesk, intake: Intake, redis: Client
) -> None:
    async def beside() -> None:
        raise RuntimeError("beside")

    with pytest.raises(RuntimeError, match="beside"):
        await Worker(make_desk(), intake, "one", beside=[beside]).watcher.run()


async def test_folders_are_watched_side_by_side_and_one_that_does_not_exist_fails_alone(
    make_desk: MakeDesk, intake: Intake, redis: Client
) -> None:
    desk = make_desk()
    client = desk.imap()
    client.create("Orders")
    async with Worker(desk, intake, "one", folders=("INBOX", "Orders", "Missing")).at_work():
        await until(_watched_by(redis, "one"))
        await until(_watched_by(redis, "one", "Orders"))
        client.append("Orders", None, None, letter(1))
        client.append("INBOX", None, None, letter(2))
        await until(_came(desk, 2), 5)
        missing = await _record(redis, "Missing")
        assert missing["state"] == "failing"
        assert '"Missing"' in missing["error"]
        assert [(await _record(redis, folder))["uid"] for folder in ("INBOX", "Orders")] == ["1", "1"]
    client.logout()


async def test_a_mail_that_lies_in_two_folders_or_is_moved_is_one_item(
    make_desk: MakeDesk, intake: Intake, redis: Client
) -> None:
    desk = make_desk()
    client = desk.imap()
    client.create("Orders")
    async with Worker(desk, intake, "one", folders=("INBOX", "Orders")).at_work():
        await until(_watched_by(redis, "one", "Orders"))
        client.append("INBOX", None, None, letter(1))
        await until(_came(desk, 1))
        client.select("INBOX")
        client.copy("1", "Orders")

        async def both() -> bool:
            places = await redis.hget(keys.attempts(item_id("desk", letter(1))), "places")
            return len(places.split(b"\n")) == 2

        await until(both, 5)
        client.append("INBOX", None, None, letter(2))
        await until(_came(desk, 2))
        client.select("INBOX")
        client.uid("MOVE", "2", "Orders")

        async def passed() -> bool:
            return (await _record(redis, "Orders")).get("uid") == "2"

        await until(passed, 5)
    assert await desk.waiting() == [item_id("desk", letter(n)) for n in (1, 2)]
    client.logout()


async def test_a_poller_that_has_to_wait_keeps_its_mailbox(
    make_desk: MakeDesk, redis: Client, mailstore: MailStore
) -> None:
    desk = make_desk()
    desk.seed(letter(1), letter(2))
    async with Worker(desk, Intake(redis, mailstore, most=1), "one", seconds=0.6).at_work() as one:

        async def paused() -> bool:
            return (await _record(redis)).get("state") == "paused"

        await until(paused)
        token = one.lease.token
        await asyncio.sleep(1.0)  # longer than it lasts
        assert await paused()
        assert one.lease.token == token
        await redis.xtrim(keys.INTAKE, maxlen=0)
        await until(_came(desk, 1), 20)
        assert await desk.waiting() == [item_id("desk", letter(2))]

"""While one batch of mails is stored, the next is fetched; memory holds at most one large mail."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from tests.support.scripted_imap import ScriptedImap
from tests.worker.faulty_mailbox import FaultyMailbox, Message
from tests.worker.polled_mailbox import make_mail, until
from worker.imap import Connection, connect
from worker.mailboxes import fetcher
from worker.mailboxes.fetcher import Fetcher


async def _connect(server: ScriptedImap) -> Connection:
    connection = await connect(server.account)
    await connection.select("INBOX")
    return connection


async def _fetch_uids(fetcher: Fetcher, uids: Sequence[int], fetched: list[int]) -> None:
    async for batch in fetcher.fetch_batches(uids):
        fetched += [mail.uid for mail in batch]


def _count_bodies(faulty: FaultyMailbox) -> int:
    return sum("BODY" in command for command in faulty.fetches)


@pytest.fixture(autouse=True)
def _batches_of_one_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "MAX_BATCH_MAILS", 1)


@pytest.mark.parametrize(("size", "ahead"), [(100, 2), (9 << 20, 1)])
async def test_the_next_batch_is_fetched_ahead_unless_the_current_one_is_large(size: int, ahead: int) -> None:
    messages = {n: Message(make_mail(n, text="x" * size), size=10 << 20) for n in (1, 2, 3)}  # each a batch of its own
    faulty = FaultyMailbox(messages)
    async with ScriptedImap(faulty.serve) as server:
        connection = await _connect(server)
        async with aclosing(Fetcher(connection, 50 << 20, set()).fetch_batches([1, 2, 3])) as batches:
            assert [mail.uid for mail in await anext(batches)] == [1]

            async def is_fetched_ahead() -> bool:
                return _count_bodies(faulty) == ahead

            await until(is_fetched_ahead)
            for _ in range(20):
                await asyncio.sleep(0)
            assert _count_bodies(faulty) == ahead
            assert [[mail.uid for mail in batch] async for batch in batches] == [[2], [3]]
        await connection.logout_and_close()


async def test_no_task_is_left_when_the_caller_stops_early() -> None:
    faulty = FaultyMailbox({n: Message(make_mail(n), size=5 << 20) for n in range(1, 9)})
    async with ScriptedImap(faulty.serve) as server:
        connection = await _connect(server)
        before = asyncio.all_tasks()
        async with aclosing(Fetcher(connection, 50 << 20, set()).fetch_batches(range(1, 9))) as batches:
            await anext(batches)
        assert asyncio.all_tasks() <= before
        await connection.close()


async def test_an_error_of_the_next_batch_is_raised_after_the_current_batch_was_returned() -> None:
    class RefusingMailbox(FaultyMailbox):
        def _fetch(self, command: str, uids: set[int]) -> tuple[list[bytes], str]:
            return ([], "BAD what") if "BODY" in command and 2 in uids else super()._fetch(command, uids)

    faulty = RefusingMailbox({n: Message(make_mail(n), size=5 << 20) for n in (1, 2)})
    async with ScriptedImap(faulty.serve) as server:
        connection = await _connect(server)
        fetched = list[int]()
        with pytest.raises(Exception, match="BAD"):
            await _fetch_uids(Fetcher(connection, 50 << 20, set()), [1, 2], fetched)
        assert fetched == [1]
        await connection.close()

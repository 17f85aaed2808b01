"""While one hand of mails is stored the next is fetched, and memory holds one large mail at most."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from tests.support.scripted_imap import ScriptedImap
from tests.worker.desk import letter, until
from tests.worker.moody import Message, Moody
from worker import fetching
from worker.fetching import Fetcher
from worker.imap import Connection, connect


async def _opened(server: ScriptedImap) -> Connection:
    connection = await connect(server.account)
    await connection.select("INBOX")
    return connection


async def _uids(fetcher: Fetcher, uids: Sequence[int], came: list[int]) -> None:
    async for hand in fetcher.hands(uids):
        came += [mail.uid for mail in hand]


def _bodies(moody: Moody) -> int:
    return sum("BODY" in command for command in moody.fetches)


@pytest.fixture(autouse=True)
def _single(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "HAND", 1)


@pytest.mark.parametrize(("size", "ahead"), [(100, 2), (9 << 20, 1)])
async def test_the_next_hand_is_fetched_ahead_unless_this_one_is_large(size: int, ahead: int) -> None:
    moody = Moody({n: Message(letter(n, text="x" * size), size=10 << 20) for n in (1, 2, 3)})  # each a batch of its own
    async with ScriptedImap(moody.serve) as server:
        connection = await _opened(server)
        async with aclosing(Fetcher(connection, 50 << 20, set()).hands([1, 2, 3])) as hands:
            assert [mail.uid for mail in await anext(hands)] == [1]

            async def fetched() -> bool:
                return _bodies(moody) == ahead

            await until(fetched)
            for _ in range(20):
                await asyncio.sleep(0)
            assert _bodies(moody) == ahead
            assert [[mail.uid for mail in hand] async for hand in hands] == [[2], [3]]
        await connection.logout_and_close()


async def test_who_stops_in_the_midst_leaves_nothing_behind() -> None:
    moody = Moody({n: Message(letter(n), size=5 << 20) for n in range(1, 9)})
    async with ScriptedImap(moody.serve) as server:
        connection = await _opened(server)
        before = asyncio.all_tasks()
        async with aclosing(Fetcher(connection, 50 << 20, set()).hands(range(1, 9))) as hands:
            await anext(hands)
        assert asyncio.all_tasks() <= before
        await connection.close()


async def test_an_error_ahead_is_raised_after_what_came_before_it() -> None:
    class Dropping(Moody):
        def _fetch(self, command: str, uids: set[int]) -> tuple[list[bytes], str]:
            return ([], "BAD what") if "BODY" in command and 2 in uids else super()._fetch(command, uids)

    moody = Dropping({n: Message(letter(n), size=5 << 20) for n in (1, 2)})
    async with ScriptedImap(moody.serve) as server:
        connection = await _opened(server)
        came = list[int]()
        with pytest.raises(Exception, match="BAD"):
            await _uids(Fetcher(connection, 50 << 20, set()), [1, 2], came)
        assert came == [1]
        await connection.close()

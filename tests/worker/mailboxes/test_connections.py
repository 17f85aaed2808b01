"""Connections to one host are made one after another, and a refused sign-in is not repeated by every folder."""

import asyncio
import time

import pytest

from tests.support.scripted_imap import ScriptedImap, Talk
from worker.imap import Account, LoginRefusedError
from worker.mailboxes import connections
from worker.mailboxes.connections import AccountConnector, HostConnectLimiter


async def test_connections_to_one_host_are_spaced_and_those_to_others_are_not() -> None:
    turns, began = HostConnectLimiter(apart=0.05), dict[str, list[float]]()

    async def come(host: str) -> None:
        async with turns.wait_turn(host):
            began.setdefault(host, []).append(turns._last[host])

    await asyncio.gather(*(come(host) for host in ("one", "one", "one", "two")))
    first, second, third = began["one"]
    assert second - first > 0.039, "0.05 s, less a fifth by chance"
    assert third - second > 0.039
    assert began["two"][0] < second


async def test_one_connection_is_made_at_a_time_and_a_slow_one_delays_others_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "LONGEST_TURN", 0.2)
    turns, slow, ends = HostConnectLimiter(apart=0.0), asyncio.Event(), asyncio.Event()

    async def crawl() -> None:
        async with turns.wait_turn("one"):
            slow.set()
            await ends.wait()

    start = time.monotonic()
    crawling = asyncio.create_task(crawl())
    await slow.wait()
    async with asyncio.timeout(20), turns.wait_turn("one"):
        assert time.monotonic() - start > 0.19
    ends.set()
    await crawling
    async with turns.wait_turn("one"):
        pass


async def test_a_cancelled_wait_for_a_turn_does_not_block_others() -> None:
    turns = HostConnectLimiter(apart=0.0)
    async with turns.wait_turn("one"):
        waiting = asyncio.create_task(turns.wait_turn("one").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    async with asyncio.timeout(20), turns.wait_turn("one"):
        pass


async def _refuse(talk: Talk) -> None:
    await talk.say("* OK ready")
    await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1")
    await talk.answer("LOGIN .*", end="NO [AUTHENTICATIONFAILED] no")
    await talk.gone()


async def test_a_sign_in_refused_for_one_folder_is_not_tried_for_the_others() -> None:
    async with ScriptedImap(_refuse) as server:
        way = AccountConnector(HostConnectLimiter(apart=0.0))
        account = Account("127.0.0.1", server.port, "none", "desk", "wrong")
        tries = await asyncio.gather(*(way.connect(account) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(each, LoginRefusedError) for each in tries), tries
        assert 60.0 <= way.retry_after <= 600.0
        with pytest.raises(LoginRefusedError):
            await way.connect(account)
        assert server.talk is not None
        assert sum("LOGIN" in line for line in server.talk.heard) == 1, "a scripted server would hang with the second"

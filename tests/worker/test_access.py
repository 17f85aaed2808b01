"""Connections to one host are made one after another, and a refused sign-in is not repeated by every folder."""

import asyncio
import time

import pytest

from tests.support.scripted_imap import ScriptedImap, Talk
from worker import access
from worker.access import Access, Turns
from worker.imap import Account, LoginRefusedError


async def test_connections_to_one_host_are_made_apart_and_those_to_others_at_once() -> None:
    turns, began = Turns(apart=0.05), dict[str, list[float]]()

    async def come(host: str) -> None:
        async with turns.turn(host):
            began.setdefault(host, []).append(time.monotonic())

    await asyncio.gather(*(come(host) for host in ("one", "one", "one", "two")))
    first, second, third = began["one"]
    assert second - first > 0.03
    assert third - second > 0.03
    assert began["two"][0] < second


async def test_one_connection_is_made_at_a_time_and_a_slow_one_does_not_keep_others_waiting_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(access, "LONGEST_TURN", 0.2)
    turns, slow, ends = Turns(apart=0.0), asyncio.Event(), asyncio.Event()

    async def crawl() -> None:
        async with turns.turn("one"):
            slow.set()
            await ends.wait()

    crawling = asyncio.create_task(crawl())
    await slow.wait()
    start = time.monotonic()
    async with turns.turn("one"):
        assert 0.1 < time.monotonic() - start < 2.0
    ends.set()
    await crawling
    async with turns.turn("one"):
        pass


async def test_who_gives_up_waiting_for_a_turn_keeps_nobody_else_from_it() -> None:
    turns = Turns(apart=0.0)
    async with turns.turn("one"):
        waiting = asyncio.create_task(turns.turn("one").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    async with asyncio.timeout(1), turns.turn("one"):
        pass


async def _refuse(talk: Talk) -> None:
    await talk.say("* OK ready")
    await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1")
    await talk.answer("LOGIN .*", end="NO [AUTHENTICATIONFAILED] no")
    await talk.gone()


async def test_what_one_folder_is_refused_the_others_do_not_try() -> None:
    async with ScriptedImap(_refuse) as server:
        way = Access(Turns(apart=0.0))
        account = Account("127.0.0.1", server.port, "none", "desk", "wrong")
        tries = await asyncio.gather(*(way.connect(account) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(each, LoginRefusedError) for each in tries), tries
        assert 60.0 <= way.wait <= 600.0
        with pytest.raises(LoginRefusedError):
            await way.connect(account)
        assert server.talk is not None
        assert sum("LOGIN" in line for line in server.talk.heard) == 1, "a scripted server would hang with the second"

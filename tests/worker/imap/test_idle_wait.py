"""IDLE ends with growth, with stop, in time, and with the connection."""

import asyncio
import time

import pytest

from tests.support.scripted_imap import ScriptedImap, Talk
from worker.imap import Connection, ConnectionLostError, ImapError, TimedOutError, Timeouts, connect


async def opened(server: ScriptedImap, timeouts: Timeouts = Timeouts()) -> Connection:  # noqa: B008  frozen
    connection = await connect(server.account, timeouts=timeouts)
    await connection.select("INBOX")
    return connection


async def idling(talk: Talk) -> str:
    tag = await talk.expect("IDLE")
    await talk.say("+ idling")
    return tag


async def done(talk: Talk, tag: str) -> None:
    assert await talk.line() == "DONE"
    await talk.say(f"{tag} OK done")


async def test_growth_ends_the_idle_and_the_next_command_works() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select(exists=3)
        tag = await idling(talk)
        await talk.say(
            "* OK Still here", "* 2 FETCH (FLAGS (\\Seen))", "* 3 EXISTS", "* 1 EXPUNGE", "* 3 EXISTS", "* 1 RECENT"
        )
        await done(talk, tag)
        await talk.answer("UID SEARCH .*", "* SEARCH 4")

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        started = time.monotonic()
        assert await connection.idle(30, asyncio.Event()) is True
        assert time.monotonic() - started < 20, "the IDLE alone would have taken 30 s"
        assert await connection.search(4) == [4]
        await connection.close()


async def test_other_responses_than_growth_do_not_end_the_idle() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select(exists=3)
        tag = await idling(talk)
        await talk.say("* OK Still here", "* 3 EXISTS", "* 1 EXPUNGE", "* 2 FETCH (FLAGS (\\Seen))", "* OK Still here")
        await done(talk, tag)

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        started = time.monotonic()
        assert await connection.idle(0.3, asyncio.Event()) is False
        assert time.monotonic() - started >= 0.3
        await connection.close()


async def test_stop_ends_the_idle_at_once() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await done(talk, await idling(talk))

    async with ScriptedImap(script) as server:
        connection, stop = await opened(server), asyncio.Event()
        waiting = asyncio.create_task(connection.idle(30, stop))
        await connection._protocol.idle_started.wait()
        stop.set()
        assert await asyncio.wait_for(waiting, 20) is False
        assert await connection.idle(30, stop) is False  # no IDLE is even begun
        await connection.close()


async def test_growth_announced_during_another_command_is_not_lost() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select(exists=3)
        await talk.answer("UID FETCH .*", "* 4 EXISTS")
        tag = await idling(talk)
        await done(talk, tag)

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.fetch_summaries([1]) == {}
        assert await connection.idle(30, asyncio.Event()) is True
        assert await connection.idle(0.1, asyncio.Event()) is False  # told once
        await connection.close()


async def test_an_expunge_of_three_thousand_messages_is_handled() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select(exists=4000)
        tag = await idling(talk)
        flagged = [f"* {n} FETCH (FLAGS (\\Deleted))" for n in range(1, 3001)]
        await talk.say(*flagged, *["* 1 EXPUNGE"] * 3000, "* 1001 EXISTS")
        await done(talk, tag)
        await talk.answer("NOOP")

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.idle(30, asyncio.Event()) is True
        assert connection._protocol.exists == 1001
        await connection.noop()
        await connection.close()


@pytest.mark.parametrize("last", ["", "* BYE Logged out for inactivity"])
async def test_a_lost_connection_ends_the_idle_at_once(last: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await idling(talk)
        await talk.say(last)
        talk.hang_up()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        started = time.monotonic()
        with pytest.raises(ConnectionLostError, match=last.removeprefix("* BYE ") or "closed the connection"):
            await connection.idle(30, asyncio.Event())
        assert time.monotonic() - started < 20, "the IDLE alone would have taken 30 s"
        await connection.close()


async def test_a_server_that_ignores_done_times_out() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await idling(talk)
        assert await talk.line() == "DONE"
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server, Timeouts(done=0.2))
        with pytest.raises(TimedOutError, match="IDLE"):
            await connection.idle(0.1, asyncio.Event())
        assert connection.failure
        await connection.close()


async def test_a_server_that_never_begins_to_idle_times_out() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.expect("IDLE")
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server, Timeouts(noop=0.2))
        with pytest.raises(TimedOutError, match="begin to IDLE"):
            await connection.idle(30, asyncio.Event())
        await connection.close()


@pytest.mark.parametrize("end", ["NO not today", "OK that was quick"])
async def test_a_server_that_refuses_idle_does_not_make_us_loop(end: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        tag = await talk.expect("IDLE")
        await talk.say(f"{tag} {end}")
        if end.startswith("OK"):
            await talk.answer("IDLE")
        await talk.answer("NOOP")

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        for _ in range(2):
            started = time.monotonic()
            assert await connection.idle(0.2, asyncio.Event()) is False
            assert time.monotonic() - started >= 0.2
        await connection.noop()
        await connection.close()


async def test_without_idle_we_wait_and_notice_a_lost_connection() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in("IMAP4rev1")
        await talk.select()
        await talk.answer("NOOP")
        talk.hang_up()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.idle(0.1, asyncio.Event()) is False
        await connection.noop()
        with pytest.raises(ConnectionLostError):
            await connection.idle(30, asyncio.Event())
        await connection.close()


async def test_a_cancelled_idle_leaves_no_task_behind() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await idling(talk)
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        before = asyncio.all_tasks()
        waiting = asyncio.create_task(connection.idle(30, asyncio.Event()))
        await connection._protocol.idle_started.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert asyncio.all_tasks() <= before
        with pytest.raises(ImapError, match="cancelled"):
            await connection.noop()
        await connection.close()


async def test_logout_does_not_wait_for_a_running_idle() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await idling(talk)
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server, Timeouts(logout=0.2))
        waiting = asyncio.create_task(connection.idle(30, asyncio.Event()))
        await connection._protocol.idle_started.wait()
        await asyncio.wait_for(connection.logout_and_close(), 20)
        with pytest.raises(ConnectionLostError, match="closed by us"):
            await waiting

"""The faults of aioimaplib 2.0.3 that client.py corrects, each with a server that provokes it."""

import asyncio
import logging
import socket
import time
from importlib.metadata import version

import pytest

from tests.support.scripted_imap import ScriptedImap, Talk
from worker.imap import (
    CommandRefusedError,
    Connection,
    ConnectionLostError,
    ProtocolError,
    TimedOutError,
    Timeouts,
    connect,
)
from worker.imap.errors import ImapError
from worker.imap.framing import MAX_UNSOLICITED_BYTES


async def opened(server: ScriptedImap, timeouts: Timeouts = Timeouts()) -> Connection:  # noqa: B008  frozen
    connection = await connect(server.account, timeouts=timeouts)
    await connection.select("INBOX")
    return connection


async def fails_soon(connection: Connection, expected: type[ImapError], match: str = "") -> None:
    """Check that every command fails at once with the reason, and that the transport is closed."""
    started = time.monotonic()
    assert isinstance(connection.failure, expected)
    for ask in (connection.noop(), connection.search(1), connection.idle(60, asyncio.Event())):
        with pytest.raises(ImapError, match=match):
            await ask
    await connection.logout_and_close()
    await connection.close()
    assert time.monotonic() - started < 40, "the IDLE alone would have taken 60 s"


def test_the_guard_is_written_for_this_version() -> None:
    assert version("aioimaplib") == "2.0.3"


async def test_a_burst_of_ten_thousand_lines_is_handled() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        lines = [f"* {n} FETCH (FLAGS (\\Seen))" for n in range(1, 10_001)]
        await talk.answer("UID SEARCH .*", *lines[:5000], "* SEARCH 1 2", *lines[5000:])
        await talk.answer("NOOP", *["* 1 EXPUNGE"] * 5000)

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.search(1) == [1, 2]
        await connection.noop()
        await connection.close()


@pytest.mark.parametrize("command", ["noop", "search", "sizes"])
async def test_a_closed_connection_fails_the_pending_command_at_once(command: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.expect(".*")
        await talk.send(b"* SEARCH 1 2")
        talk.hang_up()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        ask = {
            "noop": connection.noop,
            "search": lambda: connection.search(1),
            "sizes": lambda: connection.fetch_summaries([1]),
        }
        with pytest.raises(ConnectionLostError, match="closed the connection"):
            await ask[command]()  # type: ignore[no-untyped-call]
        await fails_soon(connection, ConnectionLostError, "no longer usable|closed the connection")


async def test_a_connection_that_closes_in_the_middle_of_a_mail_gives_no_half_mail() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.answer("UID FETCH .*", '* 1 FETCH (UID 1 RFC822.SIZE 100 INTERNALDATE "" FLAGS ())')
        await talk.expect("UID FETCH .*")
        await talk.send(b"* 1 FETCH (UID 1 BODY[] {100}\r\nFrom: half")
        talk.hang_up()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        summaries = await connection.fetch_summaries([1])
        with pytest.raises(ConnectionLostError):
            await connection.fetch(list(summaries.values()))
        await connection.close()


async def test_a_bye_is_an_error_with_its_reason() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.expect("NOOP")
        await talk.say("* BYE Session invalidated - AccessTokenExpired")
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        with pytest.raises(ConnectionLostError, match="AccessTokenExpired"):
            await connection.noop()
        await fails_soon(connection, ConnectionLostError, "AccessTokenExpired")


async def test_a_silent_server_times_out_and_the_connection_is_given_up() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        tag = await talk.expect("UID SEARCH .*")
        await talk.gone()
        assert tag

    async with ScriptedImap(script) as server:
        connection = await opened(server, Timeouts(search=0.4, logout=0.4))
        with pytest.raises(TimedOutError, match="SEARCH"):
            await connection.search(1)
        await fails_soon(connection, TimedOutError, "SEARCH")


@pytest.mark.parametrize("quiet", [0.2, 60])
async def test_a_server_that_sends_byte_by_byte_reaches_the_total_time_out(quiet: float) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.expect("UID FETCH .*")
        await talk.send(b"* 1 FETCH (UID 1 BODY[HEADER]<0> {1000}\r\n")
        while not talk.reader.at_eof():
            talk.writer.write(b"x")
            await asyncio.sleep(0.02)

    async with ScriptedImap(script) as server:
        connection = await opened(server, Timeouts(fetch=0.4, read=quiet))
        started = time.monotonic()
        with pytest.raises(TimedOutError, match="FETCH"):
            await connection.fetch_headers(1, 1000)
        assert 0.4 <= time.monotonic() - started < 40, "without the total it drips for ever"
        await connection.close()


async def test_silence_in_a_fetch_ends_it_before_the_total() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.expect("UID FETCH .*")
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server, Timeouts(fetch=60, read=0.2))
        with pytest.raises(TimedOutError, match=r"silent for 0\.2 s"):
            await connection.fetch_headers(1, 1000)
        await connection.close()


async def test_a_cancelled_command_gives_the_connection_up() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.expect("UID SEARCH .*")
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.search(1), 0.2)
        await fails_soon(connection, ConnectionLostError, "SEARCH was cancelled")


async def test_after_no_the_connection_is_good_and_after_bad_it_is_not() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.answer("UID SEARCH .*", end="NO [SERVERBUG] Try later {12}")
        await talk.answer("NOOP")
        await talk.answer("UID SEARCH .*", end="BAD Command Error. 10")
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        with pytest.raises(CommandRefusedError, match="Try later") as no:
            await connection.search(1)
        assert (no.value.status, no.value.code, no.value.permanent) == ("NO", "SERVERBUG", False)
        await connection.noop()
        with pytest.raises(CommandRefusedError, match=r"Error\. 10"):
            await connection.search(1)
        await fails_soon(connection, CommandRefusedError, r"Error\. 10")


async def test_commands_of_several_tasks_go_one_after_the_other() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        for n in range(1, 21):
            tag = await talk.expect("UID SEARCH .*")
            await asyncio.sleep(0.005)
            assert not talk.reader._buffer  # type: ignore[attr-defined]  # nothing was sent ahead
            await talk.say(f"* SEARCH {n}", f"{tag} OK done")

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        told = await asyncio.gather(*(connection.search(1) for _ in range(20)))
        assert sorted(told) == [[n] for n in range(1, 21)]
        await connection.close()


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"*",
        b"* ",
        b"* 1",
        b"junk",
        b"X9 OK not yours",
        b"+ go on",
        b"\xff\xfe\x00",
        b"* SEARCH",
        b"* LIST () NIL {2}",
    ],
)
async def test_junk_between_the_answers_is_passed_over(junk: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        tag = await talk.expect("UID SEARCH .*")
        await talk.say(junk.replace(b"{2}", b"x"), "* SEARCH 4", junk.replace(b"{2}", b"x"), f"{tag} OK done")
        await talk.say(junk.replace(b"{2}", b"x"))
        await talk.answer("NOOP", junk.replace(b"{2}", b"x"))

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.search(1) == [4]
        await connection.noop()
        await connection.close()


@pytest.mark.parametrize("asked", [True, False])
async def test_a_server_that_never_stops_talking_is_left(asked: bool) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        if asked:
            await talk.expect("NOOP")
        for _ in range(3 * MAX_UNSOLICITED_BYTES // 65536):
            talk.writer.write(b"* 1 FETCH (FLAGS ())\r\n" * 3000)
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        with pytest.raises(ImapError, match="more than was asked"):
            await asyncio.gather(*(connection.noop() for _ in range(1000)))
        await fails_soon(connection, ProtocolError, "more than was asked")


async def test_an_endless_literal_is_refused_when_it_is_announced() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.answer("UID SEARCH .*", "* LIST () NIL {4294967295}", b"x" * 1000, end="")
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        with pytest.raises(ProtocolError, match="4,294,967,295 bytes, accepted are 0"):
            await connection.search(1)
        await connection.close()


async def test_no_mail_no_command_and_no_password_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("aioimaplib").setLevel(logging.WARNING)

    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.answer("UID FETCH .*", "* 1 FETCH (UID 1 BODY[HEADER]<0> {13}", "Subject: hush)")
        await talk.say("* hush")
        await talk.answer("LOGOUT", "* BYE")

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.fetch_headers(1, 100) == b"Subject: hush"
        await connection.logout_and_close()
    assert "hush" not in caplog.text
    assert server.account.password not in caplog.text
    assert server.account.password not in repr(server.account)


async def test_the_socket_asks_whether_the_other_side_is_alive_and_is_closed_in_the_end() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await connect(server.account)
        transport = connection._protocol.transport
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        await connection.close()
        assert transport.is_closing()
        assert transport.get_extra_info("socket").fileno() == -1

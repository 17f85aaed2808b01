"""The quirks of providers, found by host name."""

import asyncio
import time

import pytest

from tests.support.scripted_imap import ScriptedImap, Talk
from worker.imap import Connection, ProtocolError, connect
from worker.imap.quirks import NO_QUIRKS, TABLE, ServerQuirks, find_quirks

HERE = "127.0.0.1"


async def opened(server: ScriptedImap) -> Connection:
    connection = await connect(server.account)
    await connection.select("INBOX")
    return connection


@pytest.mark.parametrize(
    ("host", "idle", "renews"),
    [
        ("imap.mail.yahoo.com", 150, True),
        ("IMAP.AOL.com.", 150, True),
        ("imap.rambler.ru", 50, True),
        ("imap.163.com", 0, False),
        ("imap.naver.com", float("inf"), False),
    ],
)
def test_quirks_are_found_by_the_end_of_the_host_name(host: str, idle: float, renews: bool) -> None:
    assert (find_quirks(host).max_idle_seconds, find_quirks(host).has_noop_updates) == (idle, renews)


@pytest.mark.parametrize("host", ["imap.example.com", "notyahoo.com", "yahoo.com.example.net", "127.0.0.1", ""])
def test_other_hosts_have_no_quirks(host: str) -> None:
    assert find_quirks(host) is NO_QUIRKS


async def test_an_idle_ends_before_the_server_would_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLE, HERE, ServerQuirks(max_idle_seconds=0.2))

    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        for _ in range(2):
            tag = await talk.expect("IDLE")
            await talk.say("+ idling")
            async with asyncio.timeout(20):  # as Yahoo, which says BYE after its three minutes
                assert await talk.line() == "DONE"
            await talk.say(f"{tag} OK done")
        await talk.answer("NOOP")

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        for _ in range(2):
            assert await connection.idle(30, asyncio.Event()) is False
        await connection.noop()
        await connection.close()


async def test_without_useful_idle_or_noop_the_folder_is_selected_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TABLE, HERE, ServerQuirks(max_idle_seconds=0, has_noop_updates=False, is_id_required=True))

    async def script(talk: Talk) -> None:
        await talk.sign_in("IMAP4rev1 IDLE ID")
        await talk.answer('ID \\("name" "Tubepost"\\)', "* ID NIL", end="NO who are you")
        await talk.select()
        await talk.select(exists=4)
        await talk.answer("UID SEARCH .*", "* SEARCH 4")
        await talk.answer("SELECT .*", "* OK [UIDVALIDITY 8] another")
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        began = time.monotonic()
        assert await connection.idle(0.2, asyncio.Event()) is False
        assert time.monotonic() - began >= 0.2
        await connection.noop()
        assert await connection.search(4) == [4]
        with pytest.raises(ProtocolError, match="numbered anew"):
            await connection.noop()
        await connection.close()

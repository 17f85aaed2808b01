"""Flags and moves, with different capabilities of the server, change nothing else."""

import imaplib
from collections.abc import Callable

import pytest

from tests.support.dovecot import Dovecot
from tests.support.scripted_imap import ScriptedImap, Talk
from worker.imap import Account, CommandRefusedError, Connection, connect


async def opened(server: Dovecot, user: str) -> Connection:
    connection = await connect(Account(server.host, server.port, "none", user, server.users[user]))
    await connection.select("INBOX")
    return connection


def without(connection: Connection, *names: str) -> None:
    """Act as if the server did not support *names*."""
    connection._protocol.capabilities = frozenset(connection.capabilities - set(names))


def subjects(server: Dovecot, user: str, folder: str) -> list[str]:
    client = imaplib.IMAP4(server.host, server.port)
    client.login(user, "secret")
    if client.select(folder, readonly=True)[0] != "OK":
        return []
    found = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    client.logout()
    return [part[1].decode().strip() for part in found if isinstance(part, tuple)]


async def flags(connection: Connection) -> dict[int, set[str]]:
    told = await connection.fetch_summaries(await connection.search(1))
    return {uid: set(each.flags) - {"\\Recent"} for uid, each in told.items()}


@pytest.mark.parametrize("flag", ["\\Seen", "Tubepost"])
async def test_a_flag_is_added_to_some_and_all_others_stay_as_they_are(
    dovecot_server: Dovecot, desk: str, flag: str
) -> None:
    for before in ("", "S", "FR", ""):
        dovecot_server.seed([b"Subject: x\r\n\r\n"], user=desk, flags=before)
    connection = await opened(dovecot_server, desk)
    await connection.add_flags([3, 1, 1, 99], flag)
    assert await flags(connection) == {1: {flag}, 2: {"\\Seen"}, 3: {"\\Flagged", "\\Answered", flag}, 4: set()}
    await connection.add_flags([1], flag)
    await connection.add_flags([], flag)
    assert (await flags(connection))[1] == {flag}
    await connection.close()


@pytest.mark.parametrize("lacking", [(), ("MOVE",)])
@pytest.mark.parametrize("folder", ["Erledigt & bücher", "Done"])
async def test_mail_is_moved_into_a_folder_that_is_made_and_subscribed_and_others_stay(
    dovecot_server: Dovecot, desk: str, lacking: tuple[str, ...], folder: str
) -> None:
    dovecot_server.seed([b"Subject: %d\r\n\r\n" % n for n in range(1, 6)], user=desk)
    connection = await opened(dovecot_server, desk)
    without(connection, *lacking)
    await connection.add_flags([5], "\\Deleted")  # a person's, not yet expunged
    assert not await connection.has_folder(folder)
    await connection.move([2, 4, 77], folder)
    await connection.move([2, 4], folder)
    assert await connection.has_folder(folder)
    assert await connection.search(1) == [1, 3, 5]
    await connection.select(folder)
    assert await connection.search(1) == [1, 2]
    assert all("\\Deleted" not in each for each in (await flags(connection)).values())
    await connection.close()
    subscribed = (dovecot_server.maildir(desk) / "subscriptions").read_text()
    assert ("Erledigt &- b&APw-cher" if "&" in folder else "Done") in subscribed


async def test_without_move_what_somebody_marked_as_deleted_is_neither_copied_nor_expunged(
    dovecot_server: Dovecot, desk: str
) -> None:
    dovecot_server.seed([b"Subject: %d\r\n\r\n" % n for n in (1, 2)], user=desk)
    connection = await opened(dovecot_server, desk)
    without(connection, "MOVE")
    await connection.add_flags([1], "\\Deleted")
    await connection.move([1, 2], "Done")
    assert await connection.search(1) == [1]
    await connection.close()
    assert subjects(dovecot_server, desk, "Done") == ["Subject: 2"]


async def test_without_move_and_uidplus_nothing_is_sent(dovecot_server: Dovecot, desk: str) -> None:
    dovecot_server.seed([b"Subject: 1\r\n\r\n"], user=desk)
    connection = await opened(dovecot_server, desk)
    without(connection, "MOVE", "UIDPLUS")
    with pytest.raises(CommandRefusedError, match=r"neither MOVE .* nor UIDPLUS") as caught:
        await connection.move([1], "Done")
    assert caught.value.code == "CANNOT"
    assert not await connection.has_folder("Done")
    assert await connection.search(1) == [1]
    await connection.close()


async def test_five_hundred_are_moved_in_short_commands(dovecot_server: Dovecot, desk: str) -> None:
    dovecot_server.seed([b"Subject: %d\r\n\r\n" % n for n in range(500)], user=desk)
    connection = await opened(dovecot_server, desk)
    await connection.move(list(range(1, 501, 2)), "Done")
    assert len(await connection.search(1)) == 250
    await connection.close()
    assert len(subjects(dovecot_server, desk, "Done")) == 250


@pytest.mark.parametrize(
    "ask", [lambda it: it.add_flags([7], "Done"), lambda it: it.move([7], "Done")], ids=["flag", "move"]
)
async def test_a_refusal_shows_the_server_s_text_and_the_connection_stays_usable(
    ask: Callable[[Connection], object],
) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in("IMAP4rev1 MOVE")
        await talk.select()
        await talk.answer("UID (STORE|MOVE) 7 .*", end="NO [NOPERM] not yours")
        await talk.answer("NOOP")

    async with ScriptedImap(script) as server:
        connection = await connect(server.account)
        await connection.select("INBOX")
        with pytest.raises(CommandRefusedError, match="not yours") as caught:
            await ask(connection)  # type: ignore[misc]
        assert caught.value.code == "NOPERM"
        await connection.noop()
        await connection.close()


async def test_a_folder_that_another_has_made_meanwhile_is_as_good_and_one_that_cannot_be_made_is_an_error() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in("IMAP4rev1 MOVE")
        await talk.select()
        await talk.answer('UID MOVE 7 "Done"', end="NO [TRYCREATE] no such mailbox")
        await talk.answer('CREATE "Done"', end="NO [ALREADYEXISTS] somebody was faster")
        await talk.answer('SUBSCRIBE "Done"', end="NO subscriptions are off")
        await talk.answer('UID MOVE 7 "Done"')
        await talk.answer('UID MOVE 7 "Done"', end="NO [TRYCREATE] no such mailbox")
        await talk.answer('CREATE "Done"', end="NO Invalid mailbox name")

    async with ScriptedImap(script) as server:
        connection = await connect(server.account)
        await connection.select("INBOX")
        await connection.move([7], "Done")
        with pytest.raises(CommandRefusedError, match=r"CREATE.*Invalid mailbox name"):
            await connection.move([7], "Done")
        await connection.close()

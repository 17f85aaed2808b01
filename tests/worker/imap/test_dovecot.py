"""The whole of worker.imap against a real Dovecot."""

import asyncio
import time
from collections.abc import Callable

import pytest
import uvloop

from tests.support.dovecot import Dovecot
from worker.imap import Account, CommandRefusedError, Connection, ConnectionLostError, connect, split_batches


def mail(number: int, size: int = 300) -> bytes:
    head = f"From: a@example.com\r\nSubject: letter {number}\r\nMessage-ID: <{number}@example.com>\r\n\r\n".encode()
    return head + (b"8-bit \xff\xe4, a dot:\r\n.\r\n" + b") (\r\n* 1 FETCH\r\nA1 OK done {5}\r\n") * (1 + size // 60)


async def opened(server: Dovecot, user: str, folder: str = "INBOX") -> Connection:
    connection = await connect(Account(server.host, server.port, "none", user, server.users[user]))
    await connection.select(folder)
    return connection


async def fetch_all(connection: Connection) -> dict[int, bytes]:
    summaries = await connection.fetch_summaries(await connection.search(1))
    told: dict[int, bytes] = {}
    for batch in split_batches(summaries.values()):
        told |= await connection.fetch(batch)
    return told


async def test_what_is_fetched_is_what_was_put_there_byte_by_byte(dovecot_server: Dovecot, desk: str) -> None:
    odd = [b"", b"\r\n", b"no header at all", b"Subject: closing :-( only\r\n\r\n", bytes(range(1, 256)) * 10 + b"\r\n"]
    letters = [mail(1), *odd[1:], mail(2, size=3_000_000), mail(3)]
    kept = [letter.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for letter in letters]  # Maildir keeps lines
    dovecot_server.seed(letters, user=desk)
    connection = await opened(dovecot_server, desk)
    told = await fetch_all(connection)
    assert [told[uid] for uid in sorted(told)] == kept
    summaries = await connection.fetch_summaries(sorted(told))
    assert {uid: message.size for uid, message in summaries.items()} == {uid: len(raw) for uid, raw in told.items()}
    small = {uid: await connection.fetch_small(uid) for uid in [*told, 999]}
    assert small == {uid: (summaries[uid], raw) if 0 < len(raw) < 60_000 else None for uid, raw in told.items()} | {
        999: None
    }
    assert await connection.fetch_headers(1, 20) == kept[0][:20]
    assert await connection.fetch_headers(1, 10_000) == kept[0].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert await connection.fetch_headers(999, 20) is None
    await connection.logout_and_close()


async def test_five_thousand_mails_are_equal_byte_by_byte(dovecot_server: Dovecot, desk: str) -> None:
    letters = [mail(n, size=4000) for n in range(5000)]
    dovecot_server.seed(letters, user=desk)
    connection = await opened(dovecot_server, desk)
    started = time.monotonic()
    uids = await connection.search(1)
    summaries = await connection.fetch_summaries(uids)
    listed = time.monotonic()
    assert len(summaries) == len(uids) == 5000
    place = 0
    for batch in split_batches(summaries.values()):
        told = await connection.fetch(batch)
        assert [told[message.uid] for message in batch] == letters[place : place + len(batch)]
        place += len(batch)
    assert place == 5000
    print(f"listed in {listed - started:.2f} s, {5000 / (time.monotonic() - listed):,.0f} mails a second")  # noqa: T201
    await connection.close()


async def test_no_flag_is_changed(dovecot_server: Dovecot, desk: str) -> None:
    for flags in ("", "S", "F", "RS"):
        dovecot_server.seed([mail(1)], user=desk, flags=flags)
    files = dovecot_server.maildir(desk)

    def flags_on_disk() -> list[str]:
        return sorted(path.name.partition(":2,")[2] for part in ("cur", "new") for path in (files / part).iterdir())

    # \Recent is the server's own: the first to select clears it.
    await (await opened(dovecot_server, desk)).close()
    connection = await opened(dovecot_server, desk)
    before, on_disk = await connection.fetch_summaries(await connection.search(1)), flags_on_disk()
    await fetch_all(connection)
    await connection.fetch_headers(1, 100)
    await connection.idle(0.1, asyncio.Event())
    await connection.noop()
    await connection.logout_and_close()
    again = await opened(dovecot_server, desk)
    assert await again.fetch_summaries(await again.search(1)) == before
    assert flags_on_disk() == on_disk == ["", "F", "RS", "S"]
    await again.close()


@pytest.mark.parametrize(
    ("folder", "on_disk"),
    [
        ("Bücher", "B&APw-cher"),
        ("R&D", "R&-D"),
        ("台北", "&U,BTFw-"),
        ('My "odd" Folder', 'My "odd" Folder'),
        ("📬", "&2D3c7A-"),
    ],
)
async def test_folders_are_found_by_the_name_that_a_person_writes(
    dovecot_server: Dovecot, desk: str, folder: str, on_disk: str
) -> None:
    dovecot_server.seed([mail(1), mail(2)], user=desk, folder=on_disk)
    connection = await opened(dovecot_server, desk)
    told = await connection.select(folder)
    assert (told.exists, told.uidnext, told.has_any_keyword) == (2, 3, True)
    with pytest.raises(CommandRefusedError, match='the folder "Bücherx"'):
        await connection.select("Bücherx")
    await connection.close()


async def test_a_search_beyond_the_last_mail_is_empty(dovecot_server: Dovecot, desk: str) -> None:
    dovecot_server.seed([mail(n) for n in range(5)], user=desk)
    connection = await opened(dovecot_server, desk)
    assert await connection.search(4) == [4, 5]
    assert await connection.search(6) == []
    assert await connection.search(4_294_967_295) == []
    await connection.close()


async def test_new_mail_wakes_the_idle(dovecot_server: Dovecot, desk: str) -> None:
    dovecot_server.seed([mail(1)], user=desk)
    connection = await opened(dovecot_server, desk)
    waiting = asyncio.create_task(connection.idle(20, asyncio.Event()))
    await connection._protocol.idle_started.wait()
    dovecot_server.seed([mail(2)], user=desk)
    assert await waiting is True
    assert await connection.search(2) == [2]
    await connection.close()


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
async def test_a_killed_server_wakes_the_idle_and_a_new_connection_works(own_dovecot: Dovecot, tls: str) -> None:
    server = own_dovecot
    server.seed([mail(1)])
    port = server.tls_port if tls == "implicit" else server.port
    account = Account(server.host, port, tls, server.user, server.password, str(server.ca_file))
    connection = await connect(account)
    await connection.select("INBOX")
    waiting = asyncio.create_task(connection.idle(20, asyncio.Event()))
    await connection._protocol.idle_started.wait()
    await asyncio.to_thread(server.stop, kill=True)
    with pytest.raises(ConnectionLostError):
        await asyncio.wait_for(waiting, 5)
    with pytest.raises(ConnectionLostError):
        await connect(account)
    await asyncio.to_thread(server.start)
    connection = await connect(account)
    assert (await connection.select("INBOX")).exists == 1
    await connection.close()


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_every_kind_of_loop_and_line_works(
    dovecot_server: Dovecot, desk: str, tls: str, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    letters = [mail(1), mail(2, size=2_000_000), mail(3)]
    dovecot_server.seed(letters, user=desk)

    async def whole() -> dict[int, bytes]:
        port = dovecot_server.tls_port if tls == "implicit" else dovecot_server.port
        account = Account(dovecot_server.host, port, tls, desk, "secret", str(dovecot_server.ca_file))
        connection = await connect(account)
        await connection.select("INBOX")
        told = await fetch_all(connection)
        assert await connection.idle(0.1, asyncio.Event()) is False
        await connection.logout_and_close()
        return told

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(whole()) == dict(enumerate(letters, 1))

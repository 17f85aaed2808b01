"""The whole of worker.imap against pymap, the demo mailbox's server."""

import asyncio
import time

from tests.support.pymap_server import PymapServer
from worker.imap import Account, Connection, connect, split_batches


async def opened(server: PymapServer) -> Connection:
    return await connect(Account(server.host, server.port, "none", server.user, server.password))


async def test_what_was_appended_is_fetched_byte_by_byte_and_no_flag_is_changed(pymap: PymapServer) -> None:
    connection = await opened(pymap)
    assert {"IDLE", "MULTIAPPEND", "UIDPLUS"} <= connection.capabilities  # its LOGIN answer alone reads wrongly
    folder = await connection.select("INBOX")
    known = await connection.search(1)
    assert folder.exists == len(known)
    letters = [
        b"Subject: a :( b\r\n\r\n.\r\n\xff\xfe \r\n" * 10,
        b"\r\n\r\nno header",
        b"Subject: x\r\n\r\n" + b"y" * 300_000,
    ]
    await asyncio.to_thread(pymap.append, letters)
    uids = await connection.search(max(known) + 1)
    assert await connection.search(max(uids) + 1) == []
    before = await connection.fetch_summaries(known + uids)
    told: dict[int, bytes] = {}
    for batch in split_batches(before.values()):
        told |= await connection.fetch(batch)
    assert [told[uid] for uid in uids] == letters
    assert await connection.fetch_headers(uids[0], 9) == b"Subject: "
    assert [await connection.fetch_small(uid) for uid in uids] == [
        *((before[uid], told[uid]) for uid in uids[:2]),
        None,
    ]
    assert await connection.fetch_summaries(known + uids) == before
    await connection.logout_and_close()


async def test_an_append_wakes_the_idle_soon(pymap: PymapServer) -> None:
    connection = await opened(pymap)
    await connection.select("INBOX")
    waiting = asyncio.create_task(connection.idle(60, asyncio.Event()))
    await connection._protocol.idle_started.wait()
    started = time.monotonic()
    await asyncio.to_thread(pymap.append, [b"Subject: new\r\n\r\n"])
    assert await waiting is True
    assert time.monotonic() - started < 40, "the IDLE alone would have taken 60 s"
    await connection.noop()
    await connection.close()

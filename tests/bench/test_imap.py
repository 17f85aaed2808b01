"""The IMAP client of the benchmarks waits for no mail that the server has announced already."""

import asyncio

from bench.imap import ImapClient

#: Answers to LOGIN, SELECT, FETCH and IDLE; a second mail comes while the first one is fetched.
ANSWERS = (
    b"* OK ready\r\na OK\r\n* 1 EXISTS\r\na OK\r\n* 1 FETCH (BODY[] {2}\r\nhi)\r\n* 2 EXISTS\r\na OK\r\n+ idling\r\n"
)


async def test_a_mail_that_is_announced_during_a_fetch_is_there() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ANSWERS)
        await reader.read()  # until the client closes
        writer.close()
        ended.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        client = await ImapClient.sign_in(host, port, "ann", "a password", answer_timeout=5)
        known = await client.select()
        await client.fetch(1, known)
        assert await client.wait(known) == 2
        client.close()
        await asyncio.wait_for(ended.wait(), 30)

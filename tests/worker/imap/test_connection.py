"""Select, search, summaries and fetch with servers that behave badly."""

import asyncio
from datetime import UTC, date, datetime

import pytest

from tests.support.scripted_imap import ScriptedImap, Talk
from worker.imap import (
    CommandRefusedError,
    Connection,
    Folder,
    ImapError,
    LiteralTooLargeError,
    ProtocolError,
    Summary,
    connect,
)
from worker.imap.quoting import MAX_NUMBER


def message(uid: int, size: int = 10) -> Summary:
    return Summary(uid, size, None, frozenset())


async def opened(server: ScriptedImap) -> Connection:
    connection = await connect(server.account)
    await connection.select("INBOX")
    return connection


async def test_a_folder_tells_its_numbers() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.answer(
            r'SELECT "My B&APw-cher"',
            "* OK [permanentflags (\\Seen)] fixed",
            "* 17 EXISTS",
            "* OK [UIDVALIDITY 4294967295] x",
            "* OK [UIDNEXT 0] wrong",
        )
        await talk.select(exists=4)
        await talk.answer(
            "SELECT .*",
            "* OK [PERMANENTFLAGS (\\Seen \\*)] x",
            "* OK [UIDVALIDITY 1] x",
            end="OK [READ-ONLY] done",
        )

    async with ScriptedImap(script) as server:
        connection = await connect(server.account)
        assert await connection.select("My Bücher") == Folder(4294967295, None, 17, frozenset({"\\SEEN"}))
        assert await connection.select("INBOX") == Folder(7, 5, 4, frozenset({"\\SEEN", "\\*"}))
        assert await connection.select("Shared") == Folder(1, None, 0, frozenset({"\\SEEN", "\\*"}), is_read_only=True)
        await connection.close()


@pytest.mark.parametrize(
    "line", ["* OK none", "* OK [UIDVALIDITY 0] x", "* OK [UIDVALIDITY 4294967296] x", "* OK [UIDVALIDITY x]"]
)
async def test_a_folder_without_a_uidvalidity_that_makes_sense_is_refused(line: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.answer("SELECT .*", line)
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await connect(server.account)
        with pytest.raises(ProtocolError, match="UIDVALIDITY from 1 to 4294967295"):
            await connection.select("INBOX")
        await connection.close()


async def test_a_folder_that_is_missing_is_named_and_the_connection_stays_good() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.answer("SELECT .*", end="NO [NONEXISTENT] Unknown Mailbox")
        await talk.select()

    async with ScriptedImap(script) as server:
        connection = await connect(server.account)
        with pytest.raises(CommandRefusedError, match=r'the folder "Clains": NO .*Unknown Mailbox') as caught:
            await connection.select("Clains")
        assert caught.value.code == "NONEXISTENT"
        with pytest.raises(ImapError, match="SEARCH illegal in state AUTH"):
            await connection.search(1)
        await connection.select("INBOX")
        await connection.close()


async def test_a_search_names_no_charset_and_keeps_only_what_was_asked_for() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.answer("UID SEARCH UID 1:[*]", "* SEARCH 5 3 3", "* 3 EXISTS", "* search 4 (MODSEQ 917162500)")
        await talk.answer("UID SEARCH UID 200:[*]", "* SEARCH 104")  # n:* names the last message where all are below n
        await talk.answer("UID SEARCH UID 1:[*]", "* SEARCH")
        await talk.answer("UID SEARCH UID 1:[*]")
        await talk.answer("UID SEARCH UID 6:[*] SINCE 5-Mar-2026", "* SEARCH 6  7 ")
        await talk.answer("UID SEARCH UID 4294967295:[*]", "* SEARCH 4294967295")

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.search(0) == [3, 4, 5]  # UID 0 is never asked for
        assert await connection.search(200) == []
        assert await connection.search(1) == []
        assert await connection.search(1) == []
        assert await connection.search(6, since=date(2026, 3, 5)) == [6, 7]
        assert await connection.search(MAX_NUMBER) == [MAX_NUMBER]
        assert await connection.search(MAX_NUMBER + 1) == []
        await connection.close()


async def test_a_search_answered_in_the_new_form_or_in_several_lines_is_read_whole() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.answer("UID SEARCH .*", '* ESEARCH (TAG "ALL") UID COUNT 5 ALL 9:7,2,4294967295')
        await talk.answer("UID SEARCH .*", '* ESEARCH (TAG "A6") UID')
        await talk.answer("UID SEARCH .*", "* SEARCH 5 6", "* SEARCH 7 8", "* SEARCH")

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.search(1) == [2, 7, 8, 9, MAX_NUMBER]
        assert await connection.search(1) == []
        assert await connection.search(6) == [6, 7, 8]
        await connection.close()


async def test_exchange_which_knows_no_charset_is_searched() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        tag = await talk.expect("UID SEARCH .*")
        charset = "CHARSET" in talk.heard[-1]
        await talk.say(
            f"{tag} NO [BADCHARSET (US-ASCII)] no such charset" if charset else f"* SEARCH 2\r\n{tag} OK done"
        )

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.search(1) == [2]
        await connection.close()


@pytest.mark.parametrize(
    "line",
    [
        "* SEARCH 1 0",
        "* SEARCH 4294967296",
        "* SEARCH 1 two",
        "* SEARCH -1",
        "* SEARCH " + "9" * 30,
        '* ESEARCH (TAG "A5") UID ALL 0:7',
        '* ESEARCH (TAG "A5") UID ALL 1:4294967295',  # 16 GB of UIDs
        '* ESEARCH (TAG "A5") UID ALL 1:*',
        '* ESEARCH (TAG "A5") ALL 1:7',  # message numbers
    ],
)
async def test_numbers_that_are_no_uids_are_refused(line: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.answer("UID SEARCH .*", line)
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        with pytest.raises(ProtocolError, match="SEARCH"):
            await connection.search(1)
        assert connection.failure
        await connection.close()


async def test_a_search_may_find_two_hundred_thousand() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.answer("UID SEARCH .*", "* SEARCH " + " ".join(map(str, range(1, 200_001))))

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.search(1) == list(range(1, 200_001))
        await connection.close()


async def test_sizes_are_read_by_uid_and_asked_for_in_short_commands() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        asked, arrived = 0, 'INTERNALDATE "05-Mar-2026 12:00:00 +0100"'
        while asked < 700:
            tag = await talk.expect(r"UID FETCH [\d:,]+ \(UID RFC822\.SIZE INTERNALDATE FLAGS\)")
            command = talk.heard[-1]
            assert len(command) < 1100
            uids = [int(part) for part in command.split()[2].split(",")]
            asked += len(uids)
            await talk.say(
                "* 1 FETCH (FLAGS (\\Seen))",  # another client's doing, without a UID
                "* 4 FETCH (UID 4 FLAGS (\\Seen))",  # and with one that nobody asked for
                *(
                    f"* {uid} FETCH (FLAGS (\\Seen) RFC822.SIZE {uid} {arrived} UID {uid})"
                    for uid in uids
                    if uid != 99  # it is gone
                ),
                f"{tag} OK done",
            )

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        uids = list(range(1, 1400, 2))
        told = await connection.fetch_summaries([*reversed(uids), 1])
        assert sorted(told) == [uid for uid in uids if uid != 99]
        assert told[7] == Summary(7, 7, datetime(2026, 3, 5, 11, tzinfo=UTC), frozenset({"\\Seen"}))
        assert await connection.fetch_summaries([]) == {}
        await connection.close()


async def test_bodies_come_in_three_shapes_and_out_of_order_and_one_is_gone() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.answer(
            r"UID FETCH 1:6 \(UID BODY\.PEEK\[\]\)",
            "* 5 FETCH (UID 5 BODY[] NIL)",
            "* 2 FETCH (FLAGS (\\Seen))",
            '* 3 FETCH (UID 3 BODY[] "sad :( \\"very\\"")',
            "* 9 EXISTS",
            "* 2 FETCH (BODY[] {9}",
            b"\xff\0) (\r\n* UID 2)",
            "* 1 FETCH (UID 1 FLAGS () BODY[] {0}",
            ")",
            "* 4 FETCH (UID 4 FLAGS (\\Seen))",
            "* 8 FETCH (UID 8 BODY[] {1}",
            "x)",
        )

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        told = await connection.fetch([message(uid) for uid in (6, 5, 4, 3, 2, 1)])
        assert told == {5: b"", 3: b'sad :( "very"', 2: b"\xff\0) (\r\n* ", 1: b""}
        assert await connection.fetch([]) == {}
        await connection.close()


async def test_one_message_that_the_server_cannot_read_does_not_hide_the_others() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.answer("UID FETCH 1:3 .*", "* 1 FETCH (UID 1 BODY[] {1}", "a)", end="NO some could not be fetched")
        await talk.answer("UID FETCH 1 .*", "* 1 FETCH (UID 1 BODY[] {1}", "a)")
        await talk.answer("UID FETCH 2 .*", end="NO cannot")
        await talk.answer("UID FETCH 3 .*", "* 3 FETCH (UID 3 BODY[] {1}", "c)")
        await talk.answer("UID FETCH 2 .*", end="NO cannot")
        for uids in ("2:3", "2", "3"):
            await talk.answer(f"UID FETCH {uids} .*", end=f"NO none of {uids}")

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.fetch([message(1), message(2), message(3)]) == {1: b"a", 3: b"c"}
        with pytest.raises(CommandRefusedError, match="cannot"):
            await connection.fetch([message(2)])
        with pytest.raises(CommandRefusedError, match="none of 2:3"):
            await connection.fetch([message(2), message(3)])
        assert connection.failure is None
        await connection.close()


@pytest.mark.parametrize(
    ("line", "uids"), [("* 1 FETCH (UID 2 BODY[] {1000000}", (2,)), ("* 1 FETCH (BODY[] {1000000}", (1, 2))]
)
async def test_a_message_far_longer_than_announced_is_named(line: str, uids: tuple[int, ...]) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.expect("UID FETCH 1:2 .*")
        await talk.say(line)
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        with pytest.raises(LiteralTooLargeError, match="1,000,000 bytes") as caught:
            await connection.fetch([message(1), message(2)])
        assert caught.value.uids == uids
        assert connection.failure
        await connection.close()


async def test_a_message_may_be_somewhat_longer_than_announced() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.answer("UID FETCH 1 .*", "* 1 FETCH (UID 1 BODY[] {60000}", b"x" * 60_000 + b")")

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert len((await connection.fetch([message(1, size=1)]))[1]) == 60_000
        await connection.close()


async def test_headers_are_cut_by_the_server_and_none_when_the_message_is_gone() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        await talk.answer(
            r"UID FETCH 1 \(UID BODY\.PEEK\[HEADER\]<0\.8>\)", "* 1 FETCH (UID 1 BODY[HEADER]<0> {8}", "Subject:)"
        )
        await talk.answer("UID FETCH 2 .*")
        await talk.expect("UID FETCH 3 .*")
        await talk.say("* 3 FETCH (UID 3 BODY[HEADER] {9}")
        await talk.gone()

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.fetch_headers(1, 8) == b"Subject:"
        assert await connection.fetch_headers(2, 8) is None
        with pytest.raises(LiteralTooLargeError):
            await connection.fetch_headers(3, 8)
        await connection.close()


async def test_a_large_mail_that_comes_in_small_pieces_is_exact() -> None:
    body = bytes(range(256)) * 4000

    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select()
        tag = await talk.expect("UID FETCH .*")
        answer = b"* 1 FETCH (UID 1 BODY[] {%d}\r\n" % len(body) + body + f")\r\n{tag} OK done\r\n".encode()
        for start in range(0, len(answer), 9973):
            await talk.send(answer[start : start + 9973])
            await asyncio.sleep(0)

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.fetch([message(1, len(body))]) == {1: body}
        await connection.close()


async def test_growth_announced_after_a_search_is_searched_again() -> None:
    """pymap and Dovecot look for new mail when a command ends: an EXISTS follows its response."""

    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.select(exists=3)
        await talk.answer("UID SEARCH UID 4:[*]", "* SEARCH 3", "* 4 EXISTS")
        await talk.answer("UID SEARCH UID 4:[*]", "* SEARCH 4")
        await talk.answer("UID SEARCH UID 5:[*]", "* SEARCH 4")

    async with ScriptedImap(script) as server:
        connection = await opened(server)
        assert await connection.search(4) == [4]
        assert await connection.search(5) == []
        await connection.close()

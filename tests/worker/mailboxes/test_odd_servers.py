"""The poller with servers that behave unlike Dovecot: every mail comes, once.

Their behaviour is known from providers and from other mail programs; none was tried on a real account.
"""

import asyncio
import contextlib
import io
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from tests.support.scripted_imap import ScriptedImap, Talk
from tests.worker.faulty_mailbox import FaultyMailbox, Message
from tests.worker.mailboxes.poller_bench import Odd, PollerBench, letters
from tests.worker.polled_mailbox import make_mail, until
from worker.commands import importer
from worker.commands.progress_bar import ProgressLine
from worker.imap import CommandRefusedError, ImapError, ProtocolError
from worker.imap.quirks import TABLE, ServerQuirks
from worker.mailboxes import connections, suspect_uids
from worker.mailboxes.poller import EMPTY_ROUND_SECONDS, Poller
from worker.mailboxes.watched_folder import WatchedFolder
from workitems.base import keys
from workitems.intake.identity import item_id
from workitems.mailboxes import checkpoint as state
from workitems.mailboxes.checkpoint import FolderRecord
from workitems.mailboxes.import_progress import ImportProgressStore
from workitems.mailstore.store import MailStore

HEADER = make_mail(2).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


# --- Exchange, Zoho, Gmail, Yahoo -----------------------------------------------------------------------------------


async def test_zoho_which_refuses_uid_0_and_exchange_which_refuses_a_charset_are_never_asked_for_them(
    bench: PollerBench,
) -> None:
    def strict(command: str) -> tuple[list[bytes], str] | None:
        if "CHARSET" in command.upper():
            return [], "NO [BADCHARSET (US-ASCII)] no such charset"
        return ([], "BAD Invalid UID") if " 0:" in command or '"' in command.partition("SINCE")[2] else None

    faulty = Odd(letters(1, 2), rules=[strict])
    async with ScriptedImap(faulty.serve, again=True) as server:
        for start in ("all", date(2026, 1, 1)):
            poller = bench.poller(server, start=start)
            await poller.poll_once()
            await bench.redis.hset(keys.mailbox("desk"), mapping={"uidvalidity": 3, "uid": 900})
            await poller.stop(1)
        assert await bench.came(1, 2)


@pytest.mark.parametrize("at", ["SELECT", "UID SEARCH", "RFC822.SIZE", "BODY"])
async def test_exchange_that_sends_bye_when_a_token_expires_is_connected_again(bench: PollerBench, at: str) -> None:
    faulty = Odd(letters(1, 2))

    async def once(talk: Talk) -> None:
        await talk.say("* OK ready")
        while True:
            tag, _, command = (await talk.line()).partition(" ")
            if at in command:
                await talk.say("* BYE Session invalidated - AccessTokenExpired")
                talk.hang_up()
                return
            answers, end = faulty._answer(command, command.upper().split())
            await talk.send(b"".join(answer + b"\r\n" for answer in answers))
            await talk.say(f"{tag} {end}")

    async with ScriptedImap(once, faulty.serve) as server:
        poller = bench.poller(server)
        running = asyncio.create_task(poller.run())
        await until(lambda: bench.came(1, 2))
        await poller.stop(1)
        assert running.done()


@pytest.mark.parametrize("code", ["THROTTLED", "OVERQUOTA"])
@pytest.mark.parametrize("at", ["BODY", "RFC822.SIZE", "SEARCH"])
async def test_gmail_which_gives_no_mail_for_a_while_loses_none_and_is_not_asked_for_each(
    bench: PollerBench, mailstore: MailStore, code: str, at: str
) -> None:
    throttled = True
    asked = 0

    def refuse(command: str) -> tuple[list[bytes], str] | None:
        nonlocal asked
        if not throttled or at not in command:
            return None
        asked += 1
        return [], f"NO [{code}] Account exceeded command or bandwidth limits"

    faulty = Odd(letters(*range(1, 31)), rules=[refuse])
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server)
        for _ in range(3):
            with pytest.raises(CommandRefusedError, match="bandwidth"):
                await poller.poll_once()
        assert asked == 3, "one refusal is enough to know"
        assert await bench.waiting() == []
        assert await FolderRecord(bench.redis, "desk").unfetched_uids() == {}
        throttled = False
        await poller.poll_once()
        assert await bench.came(*range(1, 31))
        assert (await mailstore.get_raw_mails(item_id("desk", make_mail(7))))[0].raw == make_mail(7)
        await poller.stop(1)


async def test_gmail_s_all_mail_which_holds_what_is_in_the_inbox_too_gives_one_item(bench: PollerBench) -> None:
    inbox, everything = (
        FaultyMailbox(letters(1, 2)),
        FaultyMailbox({n + 40: Message(make_mail(n)) for n in (1, 2, 3)}, uidvalidity=9),
    )
    async with (
        ScriptedImap(inbox.serve, again=True) as first,
        ScriptedImap(everything.serve, again=True) as second,
    ):
        for poller in (bench.poller(first), bench.poller(second, "[Gmail]/All Mail")):
            await poller.poll_once()
            await poller.stop(1)
        assert await bench.came(1, 2, 3)


async def test_an_idle_at_yahoo_ends_before_the_server_sends_bye(
    bench: PollerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TABLE, "127.0.0.1", ServerQuirks(max_idle_seconds=0.1))
    faulty = Odd(
        {}, rules=[lambda command: ([b"* CAPABILITY IMAP4rev1 IDLE"], "OK") if command == "CAPABILITY" else None]
    )

    idles = 0

    async def yahoo(talk: Talk) -> None:
        nonlocal idles
        await talk.say("* OK ready")
        while True:
            tag, _, command = (await talk.line()).partition(" ")
            if command == "IDLE":
                await talk.say("+ idling")
                try:
                    async with asyncio.timeout(20):
                        assert await talk.line() == "DONE"
                        idles += 1
                except TimeoutError:
                    await talk.say("* BYE idle for too long")
                    talk.hang_up()
                    return
            answers, end = faulty._answer(command, command.upper().split())
            await talk.send(b"".join(answer + b"\r\n" for answer in answers))
            await talk.say(f"{tag} {end}")

    async with ScriptedImap(_leaving(yahoo), again=True) as server:
        poller = bench.poller(server, poll_seconds=30.0)
        running = asyncio.create_task(poller.run())

        async def watched() -> bool:
            return await bench.record("state") == state.WATCHING

        await until(watched)

        async def several() -> bool:
            return idles >= 3

        await until(several)
        faulty.messages |= letters(1)
        await until(lambda: bench.came(1))
        assert server.visits == 1
        await poller.stop(1)
        assert running.done()


def _leaving(script: Callable[[Talk], Any]) -> Callable[[Talk], Any]:
    """Ignore a client that closes the connection."""

    async def play(talk: Talk) -> None:
        with contextlib.suppress(ConnectionError):
            await script(talk)

    return play


# --- a mail that ends the connection --------------------------------------------------------------------------------


class Deadly(FaultyMailbox):
    """Answers a FETCH of the body of message 2 by *how*, until it is *well*."""

    how = b"* 2 FETCH (UID 2 BODY[] {300}\r\nFrom: half"
    hangs_up = False
    well = False
    headers_too = False

    async def _serve(self, talk: Talk) -> None:
        await talk.say("* OK ready")
        while True:
            tag, _, command = (await talk.line()).partition(" ")
            words = command.upper().split()
            deadly = "BODY.PEEK[]" in command or (self.headers_too and "BODY" in command)
            if deadly and not self.well and words[:2] == ["UID", "FETCH"] and 2 in _asked(words[2]):
                self.fetches.append(command)
                await talk.send(self.how)
                if self.hangs_up:
                    talk.hang_up()
                    return
                await talk.gone()
                return
            answers, end = self._answer(command, words)
            await talk.send(b"".join(answer + b"\r\n" for answer in answers))
            await talk.say(f"{tag} {end}")


def _asked(text: str) -> set[int]:
    runs = [[int(end) for end in run.split(":")] for run in text.split(",")]
    return {uid for run in runs for uid in range(run[0], run[-1] + 1)}


async def _polled(poller: Poller, times: int) -> None:
    """Poll as `run` does, without its waits."""
    for _ in range(times):
        with contextlib.suppress(ImapError):
            await poller.poll_once()
        if poller._session and poller._session.connection.failure:
            await poller._close_session()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("how", "hangs_up"),
    [
        (b"* 2 FETCH (UID 2 BODY[] {300}\r\nFrom: half", False),  # a literal that never ends
        (b"* 2 FETCH (UID 2 BODY[] {300}\r\nFrom: half", True),  # the server's process dies of this mail
        (b"* 2 FETCH (UID 2 BODY[ {{{ (((\r\n", True),
        (b'* 2 FETCH (UID 2 BODY[] "no end))\r\nA9 OK done\r\n', False),
        (b"* BYE internal error\r\n", True),
    ],
)
async def test_a_mail_at_which_connections_end_does_not_stop_those_behind_it(
    bench: PollerBench, mailstore: MailStore, monkeypatch: pytest.MonkeyPatch, how: bytes, hangs_up: bool
) -> None:
    faulty = Deadly({1: Message(make_mail(1)), 2: Message(make_mail(2), HEADER), 3: Message(make_mail(3))})
    faulty.how, faulty.hangs_up = how, hangs_up
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server)
        await _polled(poller, 5)
        assert await bench.came(1, 2, 3)
        assert [stored.raw for stored in await mailstore.get_raw_mails(item_id("desk", make_mail(2)))] == [HEADER]
        asked = len(faulty.fetches)
        await _polled(poller, 3)
        assert len([each for each in faulty.fetches[asked:] if "PEEK[]" in each]) == 0, "it is left alone for a while"
        assert await FolderRecord(bench.redis, "desk").unfetched_uids() == {2: 0}, "and that is no try"
        monkeypatch.setattr(poller._suspects, "_clock", lambda: 1e12)
        faulty.well = True
        await _polled(poller, 1)
        raws = {stored.raw for stored in await mailstore.get_raw_mails(item_id("desk", make_mail(2)))}
        assert raws == {HEADER, make_mail(2)}
        assert await FolderRecord(bench.redis, "desk").unfetched_uids() == {}
        await poller.stop(1)


async def test_a_mail_without_readable_headers_is_recorded_and_passed(bench: PollerBench) -> None:
    faulty = Deadly({1: Message(make_mail(1)), 2: Message(make_mail(2), HEADER), 3: Message(make_mail(3))})
    faulty.hangs_up = faulty.headers_too = True
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server)
        await _polled(poller, suspect_uids.GIVE_UP_AFTER_FAILURES + 1)
        assert await bench.came(1, 3)
        assert await FolderRecord(bench.redis, "desk").unfetched_uids() == {2: 0}
        await poller.stop(1)


async def test_an_import_passes_a_mail_at_which_the_connection_ends(
    bench: PollerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "MAX_RECONNECT_SECONDS", 0.01)
    faulty = Deadly({1: Message(make_mail(1)), 2: Message(make_mail(2), HEADER), 3: Message(make_mail(3))})
    faulty.hangs_up = True
    async with ScriptedImap(faulty.serve, again=True) as server:
        watch = WatchedFolder("desk", lambda: server.account)
        each = importer.Importer(
            watch,
            connections.AccountConnector(),
            ImportProgressStore(bench.redis, "desk", "INBOX"),
            FolderRecord(bench.redis, "desk"),
            bench.intake,
            ProgressLine(io.StringIO()),
            asyncio.Event(),
            max_waiting=1000,
        )
        assert await each.run("all")
        assert await bench.came(1, 2, 3)


@pytest.mark.usefixtures("quick")
async def test_a_server_that_sends_a_byte_a_second_times_out_and_is_connected_again(
    bench: PollerBench,
) -> None:
    faulty = FaultyMailbox(letters(1, 2, 3))

    async def drip(talk: Talk) -> None:
        await talk.say("* OK ready")
        while True:
            tag, _, command = (await talk.line()).partition(" ")
            if "BODY" in command:
                while not talk.reader.at_eof():
                    await talk.send(b"x")
                    await asyncio.sleep(0.02)
                return
            answers, end = faulty._answer(command, command.upper().split())
            await talk.send(b"".join(answer + b"\r\n" for answer in answers))
            await talk.say(f"{tag} {end}")

    async with ScriptedImap(_leaving(drip), faulty.serve) as server:
        poller = bench.poller(server)
        running = asyncio.create_task(poller.run())
        await until(lambda: bench.came(1, 2, 3))
        await poller.stop(1)
        assert running.done()


# --- answers that make no sense -------------------------------------------------------------------------------------


async def test_ten_thousand_unsolicited_lines_do_not_hide_a_mail(bench: PollerBench) -> None:
    noise = [b"* %d FETCH (FLAGS (\\Seen))" % n for n in range(1, 5001)] + [b"* 1 EXPUNGE"] * 5000

    def burst(command: str) -> tuple[list[bytes], str] | None:
        answers, end = FaultyMailbox._answer(faulty, command, command.upper().split())
        return ([*noise, *answers], end) if command.startswith("UID") else None

    faulty = Odd(letters(1, 2, 3), rules=[burst])
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server)
        await poller.poll_once()
        assert await bench.came(1, 2, 3)
        await poller.stop(1)


def _selects(*lines: bytes) -> Callable[[str], tuple[list[bytes], str] | None]:
    return lambda command: (list(lines), "OK [READ-WRITE] done") if command.startswith("SELECT") else None


@pytest.mark.parametrize(
    "lines",
    [
        (b"* OK [UIDVALIDITY 0] x",),
        (b"* OK [UIDVALIDITY 4294967296] x", b"* OK [UIDNEXT 5] x"),
        (b"* OK [UIDVALIDITY -7] x",),
        (b"* 3 EXISTS",),
    ],
)
async def test_without_a_uidvalidity_that_makes_sense_nothing_is_begun(
    bench: PollerBench, lines: tuple[bytes, ...]
) -> None:
    rules = [_selects(*lines)]
    faulty = Odd(letters(1, 2), rules=rules)
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server)
        with pytest.raises(ProtocolError, match="UIDVALIDITY"):
            await poller.poll_once()
        assert await bench.record("uidvalidity") == ""
        rules.clear()
        await poller.poll_once()
        assert await bench.came(1, 2)
        await poller.stop(1)


@pytest.mark.parametrize("following", [b"0", b"-1", b"4294967296", b"99999999999999999999"])
async def test_an_invalid_uidnext_is_replaced_by_a_search(bench: PollerBench, following: bytes) -> None:
    lines = [b"* 1000000000000 EXISTS", b"* OK [UIDVALIDITY 7] x", b"* OK [UIDNEXT %s] x" % following]
    faulty = Odd(letters(1, 2), rules=[_selects(*lines)])
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server, start="now")
        await poller.poll_once()
        assert await bench.waiting() == []
        assert await bench.record("uid") == "2"
        faulty.messages |= letters(3)
        await poller.poll_once()
        assert await bench.came(3)
        await poller.stop(1)


@pytest.mark.parametrize("line", [b"* SEARCH 1 2 4294967296", b"* SEARCH -1", b"* SEARCH 0 1", b"* SEARCH 1 2 x"])
async def test_invalid_uids_move_no_checkpoint(bench: PollerBench, line: bytes) -> None:
    rules: list[Any] = [lambda command: ([line], "OK done") if "SEARCH" in command else None]
    faulty = Odd(letters(1, 2), rules=rules)
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server)
        with pytest.raises(ProtocolError):
            await poller.poll_once()
        await poller._close_session()
        assert await bench.record("uid") == "0"
        rules.clear()
        await poller.poll_once()
        assert await bench.came(1, 2)
        await poller.stop(1)


class Miscounting(FaultyMailbox):
    """Announces *size* for message 2."""

    size = b""

    def _parts(self, command: str, uid: int) -> list[bytes]:
        parts = super()._parts(command, uid)
        known = b"RFC822.SIZE %d" % len(make_mail(2))
        return [part.replace(known, b"RFC822.SIZE " + self.size) for part in parts] if uid == 2 else parts


@pytest.mark.parametrize("size", [b"18446744073709551616", b"-99999999999", b"many"])
async def test_a_mail_whose_size_makes_no_sense_comes_all_the_same_and_keeps_none_back(
    bench: PollerBench, size: bytes
) -> None:
    faulty = Miscounting(letters(1, 2, 3))
    faulty.size = size
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server)
        await poller.poll_once()
        assert await bench.came(1, 2, 3)
        await poller.stop(1)


async def test_a_mail_of_three_gigabytes_whose_size_is_below_zero_is_taken_by_its_headers(
    bench: PollerBench, mailstore: MailStore
) -> None:
    faulty = Miscounting({1: Message(make_mail(1)), 2: Message(make_mail(2), HEADER), 3: Message(make_mail(3))})
    faulty.size = b"-1294967296"  # counted with 32 bits
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server)
        await poller.poll_once()
        assert await bench.came(1, 2, 3)
        (stored,) = await mailstore.get_raw_mails(item_id("desk", make_mail(2)))
        assert (stored.raw, stored.sidecar.oversized, stored.sidecar.size) == (HEADER, True, 3_000_000_000)
        await poller.stop(1)


async def test_answers_for_other_mail_than_was_asked_for_are_not_taken_for_it(bench: PollerBench) -> None:
    class Confused(FaultyMailbox):
        def _fetch(self, command: str, uids: set[int]) -> tuple[list[bytes], str]:
            if "PEEK[]" in command and 2 in uids:
                return [b"* 3 FETCH (UID 3 BODY[] {4}", b"evil)", b"* 9 FETCH (UID 77 BODY[] {4}", b"evil)"], "OK done"
            return super()._fetch(command, uids)

    faulty = Confused({2: Message(make_mail(2), HEADER)})
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server)
        await poller.poll_once()
        assert await bench.came(2)
        assert await FolderRecord(bench.redis, "desk").unfetched_uids() == {2: 0}
        await poller.stop(1)


def _page(form: str, most: int) -> Callable[[FaultyMailbox], Callable[[str], tuple[list[bytes], str] | None]]:
    """Make a rule for a SEARCH that lists *most* mails at a time, in one *form* or another."""

    def ruled(faulty: FaultyMailbox) -> Callable[[str], tuple[list[bytes], str] | None]:
        def page(command: str) -> tuple[list[bytes], str] | None:
            if "SEARCH" not in command:
                return None
            first = int(command.split()[3].split(":")[0])
            found = [uid for uid in sorted(faulty.messages) if uid >= first][:most]
            if form == "several":
                return [b"* SEARCH %d" % uid for uid in found], "OK done"
            if form == "extended":
                runs = b" ALL %d:%d" % (found[0], found[-1]) if found else b""
                return [b'* ESEARCH (TAG "A9") UID' + runs], "OK done"
            return [b"* SEARCH " + b" ".join(b"%d" % uid for uid in found)], "OK done"

        return page

    return ruled


async def test_a_server_that_always_announces_mail_does_not_keep_the_worker_busy(
    bench: PollerBench,
) -> None:
    faulty = Odd(
        {}, rules=[lambda command: ([b"* CAPABILITY IMAP4rev1 IDLE"], "OK") if command == "CAPABILITY" else None]
    )
    idles = 0

    async def boasting(talk: Talk) -> None:
        nonlocal idles
        await talk.say("* OK ready")
        while True:
            tag, _, command = (await talk.line()).partition(" ")
            if command == "IDLE":
                idles += 1
                await talk.say("+ idling", f"* {idles} EXISTS")
                assert await talk.line() == "DONE"
            answers, end = faulty._answer(command, command.upper().split())
            await talk.send(b"".join(answer + b"\r\n" for answer in answers))
            await talk.say(f"{tag} {end}")

    async with ScriptedImap(_leaving(boasting), again=True) as server:
        poller = bench.poller(server, poll_seconds=30.0)
        began = time.monotonic()
        running = asyncio.create_task(poller.run())

        async def several() -> bool:
            return idles >= 10

        await until(several)
        await poller.stop(1)
        await running
        seconds = time.monotonic() - began
    assert idles <= seconds / EMPTY_ROUND_SECONDS + 2  # they were hundreds a second


@pytest.mark.parametrize(("form", "most"), [("one", 50), ("several", 1000), ("extended", 1000), ("extended", 100)])
async def test_a_search_that_lists_pages_or_uses_another_form_is_read_in_one_poll(
    bench: PollerBench, form: str, most: int
) -> None:
    faulty = Odd(letters(*range(1, 121)))
    faulty.rules.append(_page(form, most)(faulty))
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server)
        await poller.poll_once()
        assert await bench.came(*range(1, 121))
        await poller.stop(1)


async def test_a_restored_server_that_gives_old_uids_to_new_mail_is_read_again(bench: PollerBench) -> None:
    """As after a restored backup or snapshot: the same UIDVALIDITY, and UIDs that were given before."""
    faulty = FaultyMailbox(letters(1, 2, 3, 4))
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server)
        await poller.poll_once()
        await poller.stop(1)
        faulty.messages = letters(1, 2) | {3: Message(make_mail(5))}
        await poller.poll_once()
        assert await bench.came(1, 2, 3, 4, 5)
        assert await bench.record("baselines") == "2"
        await poller.stop(1)
        await poller.poll_once()
        assert await bench.record("baselines") == "2"
        await poller.stop(1)


async def test_a_server_with_a_wrong_uidnext_is_not_read_again_each_time(bench: PollerBench) -> None:
    lines = [b"* 4 EXISTS", b"* OK [UIDVALIDITY 7] x", b"* OK [UIDNEXT 1] x"]
    faulty = Odd(letters(1, 2, 3, 4), rules=[_selects(*lines)])
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = bench.poller(server)
        for _ in range(3):
            await poller.poll_once()
            await poller.stop(1)
        assert await bench.came(1, 2, 3, 4)
        assert await bench.record("baselines") == "1"

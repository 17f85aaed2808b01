"""Servers that are not Dovecot, as the poller meets them: every mail comes, once, whatever they do on the way.

What each of them says was seen at providers or told by those who read mailboxes; none of them was tried on an account.
"""

import asyncio
import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from tests.support.scripted_imap import ScriptedImap, Talk
from tests.worker.desk import letter, until
from tests.worker.moody import Message, Moody
from worker import access, breakers, fetching, importer, session
from worker.imap import CommandRefusedError, ImapError, ProtocolError, Timeouts, connect
from worker.imap import mailbox as imap_mailbox
from worker.imap.providers import TABLE, Provider
from worker.poller import VAIN, Poller
from worker.progress import Line
from worker.watch import Watch
from workitems import keys
from workitems import mailbox as state
from workitems.identity import item_id
from workitems.imports import Imports
from workitems.intake import Intake
from workitems.mailbox import Mailbox
from workitems.mailstore import MailStore
from workitems.redis import Client

SHORT = Timeouts(connect=2, login=2, select=2, search=2, fetch=0.3, noop=2, done=2, logout=0.2, quiet=0.2)

HEADER = letter(2).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


class Room:
    """Pollers of a scripted server, and what came of them."""

    def __init__(self, redis: Client, intake: Intake) -> None:
        self.redis = redis
        self.intake = intake
        self.pollers: list[Poller] = []

    def poller(self, server: ScriptedImap, folder: str = "INBOX", **settings: Any) -> Poller:
        watch = Watch("desk", lambda: server.account, **{"folder": folder, "start": "all", "poll": 0.05, **settings})
        self.pollers.append(Poller(watch, Mailbox(self.redis, "desk", folder), self.intake))
        return self.pollers[-1]

    async def waiting(self) -> list[str]:
        return [fields[b"id"].decode() for _, fields in await self.redis.xrange(keys.INTAKE)]

    async def came(self, *numbers: int) -> bool:
        return sorted(await self.waiting()) == sorted(item_id("desk", letter(n)) for n in numbers)

    async def record(self, name: str) -> str:
        return (await self.redis.hget(keys.mailbox("desk"), name) or b"").decode()


@pytest.fixture
def room(redis: Client, intake: Intake, monkeypatch: pytest.MonkeyPatch, io_loop: IOLoop) -> Iterator[Room]:
    monkeypatch.setattr(fetching, "AGAIN", (0.01, 0.02))
    monkeypatch.setattr(access, "connect", partial(connect, timeouts=SHORT))
    monkeypatch.setattr(session, "LAG", 0.01)
    monkeypatch.setattr(imap_mailbox, "SLOWEST_LINE", 10**9)
    room = Room(redis, intake)
    yield room
    for poller in room.pollers:
        io_loop.run_sync(partial(poller.stop, 1))


def letters(*numbers: int) -> dict[int, Message]:
    return {n: Message(letter(n)) for n in numbers}


@dataclass(slots=True)
class Odd(Moody):
    """A Moody server that answers some commands otherwise: the first rule that gives something but None."""

    rules: list[Callable[[str], tuple[list[bytes], str] | None]] = field(default_factory=list)

    def _answer(self, command: str, words: list[str]) -> tuple[list[bytes], str]:
        for rule in self.rules:
            if (answer := rule(command)) is not None:
                return answer
        return Moody._answer(self, command, words)  # super() does not know a class with slots


# --- Exchange, Zoho, Gmail, Yahoo -----------------------------------------------------------------------------------


async def test_zoho_which_refuses_uid_0_and_exchange_which_refuses_a_charset_are_never_asked_for_them(
    room: Room,
) -> None:
    def strict(command: str) -> tuple[list[bytes], str] | None:
        if "CHARSET" in command.upper():
            return [], "NO [BADCHARSET (US-ASCII)] no such charset"
        return ([], "BAD Invalid UID") if " 0:" in command or '"' in command.partition("SINCE")[2] else None

    moody = Odd(letters(1, 2), rules=[strict])
    async with ScriptedImap(moody.serve, again=True) as server:
        for start in ("all", date(2026, 1, 1)):
            poller = room.poller(server, start=start)
            await poller.poll_once()
            await room.redis.hset(keys.mailbox("desk"), mapping={"uidvalidity": 3, "uid": 900})
            await poller.stop(1)
        assert await room.came(1, 2)


@pytest.mark.parametrize("at", ["SELECT", "UID SEARCH", "RFC822.SIZE", "BODY"])
async def test_exchange_which_says_goodbye_when_a_token_ends_is_come_back_to(room: Room, at: str) -> None:
    moody = Odd(letters(1, 2))

    async def once(talk: Talk) -> None:
        await talk.say("* OK ready")
        while True:
            tag, _, command = (await talk.line()).partition(" ")
            if at in command:
                await talk.say("* BYE Session invalidated - AccessTokenExpired")
                talk.hang_up()
                return
            answers, end = moody._answer(command, command.upper().split())
            await talk.send(b"".join(answer + b"\r\n" for answer in answers))
            await talk.say(f"{tag} {end}")

    async with ScriptedImap(once, moody.serve) as server:
        poller = room.poller(server)
        running = asyncio.create_task(poller.run())
        await until(lambda: room.came(1, 2))
        await poller.stop(1)
        assert running.done()


@pytest.mark.parametrize("code", ["THROTTLED", "OVERQUOTA"])
@pytest.mark.parametrize("at", ["BODY", "RFC822.SIZE", "SEARCH"])
async def test_gmail_which_gives_no_mail_for_a_while_loses_none_and_is_not_asked_for_each(
    room: Room, mailstore: MailStore, code: str, at: str
) -> None:
    throttled = True
    asked = 0

    def refuse(command: str) -> tuple[list[bytes], str] | None:
        nonlocal asked
        if not throttled or at not in command:
            return None
        asked += 1
        return [], f"NO [{code}] Account exceeded command or bandwidth limits"

    moody = Odd(letters(*range(1, 31)), rules=[refuse])
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server)
        for _ in range(3):
            with pytest.raises(CommandRefusedError, match="bandwidth"):
                await poller.poll_once()
        assert asked == 3, "one refusal is enough to know"
        assert await room.waiting() == []
        assert await Mailbox(room.redis, "desk").owed() == {}
        throttled = False
        await poller.poll_once()
        assert await room.came(*range(1, 31))
        assert (await mailstore.get(item_id("desk", letter(7))))[0].raw == letter(7)
        await poller.stop(1)


async def test_gmail_s_all_mail_which_holds_what_is_in_the_inbox_too_gives_one_item(room: Room) -> None:
    inbox, everything = Moody(letters(1, 2)), Moody({n + 40: Message(letter(n)) for n in (1, 2, 3)}, uidvalidity=9)
    async with (
        ScriptedImap(inbox.serve, again=True) as first,
        ScriptedImap(everything.serve, again=True) as second,
    ):
        for poller in (room.poller(first), room.poller(second, "[Gmail]/All Mail")):
            await poller.poll_once()
            await poller.stop(1)
        assert await room.came(1, 2, 3)


async def test_yahoo_which_ends_an_idle_with_goodbye_is_left_before_that_and_stays_open(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TABLE, "127.0.0.1", Provider(idle=0.1))
    moody = Odd(
        {}, rules=[lambda command: ([b"* CAPABILITY IMAP4rev1 IDLE"], "OK") if command == "CAPABILITY" else None]
    )

    async def yahoo(talk: Talk) -> None:
        await talk.say("* OK ready")
        while True:
            tag, _, command = (await talk.line()).partition(" ")
            if command == "IDLE":
                await talk.say("+ idling")
                try:
                    async with asyncio.timeout(0.6):
                        assert await talk.line() == "DONE"
                except TimeoutError:
                    await talk.say("* BYE idle for too long")
                    talk.hang_up()
                    return
            answers, end = moody._answer(command, command.upper().split())
            await talk.send(b"".join(answer + b"\r\n" for answer in answers))
            await talk.say(f"{tag} {end}")

    async with ScriptedImap(_leaving(yahoo), again=True) as server:
        poller = room.poller(server, poll=30.0)
        running = asyncio.create_task(poller.run())

        async def watched() -> bool:
            return await room.record("state") == state.WATCHING

        await until(watched)
        await asyncio.sleep(0.8)  # longer than the server lets an IDLE be
        moody.messages |= letters(1)
        await until(lambda: room.came(1), 2)
        assert server.visits == 1
        await poller.stop(1)
        assert running.done()


def _leaving(script: Callable[[Talk], Any]) -> Callable[[Talk], Any]:
    """A client that goes away is no fault of the script."""

    async def play(talk: Talk) -> None:
        with contextlib.suppress(ConnectionError):
            await script(talk)

    return play


# --- a mail that ends the connection --------------------------------------------------------------------------------


class Deadly(Moody):
    """Whoever asks for the body of message 2 gets no whole answer: *how* says what instead. Later it is *well*."""

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
    """As `run` does, without its waits."""
    for _ in range(times):
        with contextlib.suppress(ImapError):
            await poller.poll_once()
        if poller._session and poller._session.connection.failure:
            await poller._drop()


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
async def test_a_mail_at_which_the_connection_ends_does_not_keep_back_those_behind_it(
    room: Room, mailstore: MailStore, monkeypatch: pytest.MonkeyPatch, how: bytes, hangs_up: bool
) -> None:
    moody = Deadly({1: Message(letter(1)), 2: Message(letter(2), HEADER), 3: Message(letter(3))})
    moody.how, moody.hangs_up = how, hangs_up
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server)
        await _polled(poller, 5)
        assert await room.came(1, 2, 3)
        assert [stored.raw for stored in await mailstore.get(item_id("desk", letter(2)))] == [HEADER]
        asked = len(moody.fetches)
        await _polled(poller, 3)
        assert len([each for each in moody.fetches[asked:] if "PEEK[]" in each]) == 0, "it is left alone for a while"
        assert await Mailbox(room.redis, "desk").owed() == {2: 0}, "and that is no try"
        monkeypatch.setattr(poller._breakers, "_clock", lambda: 1e12)
        moody.well = True
        await _polled(poller, 1)
        raws = {stored.raw for stored in await mailstore.get(item_id("desk", letter(2)))}
        assert raws == {HEADER, letter(2)}
        assert await Mailbox(room.redis, "desk").owed() == {}
        await poller.stop(1)


async def test_a_mail_of_which_not_even_the_headers_can_be_had_is_remembered_and_passed(room: Room) -> None:
    moody = Deadly({1: Message(letter(1)), 2: Message(letter(2), HEADER), 3: Message(letter(3))})
    moody.hangs_up = moody.headers_too = True
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server)
        await _polled(poller, breakers.HOPELESS + 1)
        assert await room.came(1, 3)
        assert await Mailbox(room.redis, "desk").owed() == {2: 0}
        await poller.stop(1)


async def test_an_import_passes_a_mail_at_which_the_connection_ends(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "RECONNECT", 0.01)
    moody = Deadly({1: Message(letter(1)), 2: Message(letter(2), HEADER), 3: Message(letter(3))})
    moody.hangs_up = True
    async with ScriptedImap(moody.serve, again=True) as server:
        watch = Watch("desk", lambda: server.account)
        each = importer.Importer(
            watch, access.Access(), Imports(room.redis, "desk", "INBOX"), Mailbox(room.redis, "desk"), room.intake,
            Line(io.StringIO()), asyncio.Event(), most=1000,
        )  # fmt: skip
        assert await each.run("all")
        assert await room.came(1, 2, 3)


async def test_one_byte_a_second_is_left_in_time_and_all_comes_over_the_next_connection(room: Room) -> None:
    moody = Moody(letters(1, 2, 3))

    async def drip(talk: Talk) -> None:
        await talk.say("* OK ready")
        while True:
            tag, _, command = (await talk.line()).partition(" ")
            if "BODY" in command:
                while not talk.reader.at_eof():
                    await talk.send(b"x")
                    await asyncio.sleep(0.02)
                return
            answers, end = moody._answer(command, command.upper().split())
            await talk.send(b"".join(answer + b"\r\n" for answer in answers))
            await talk.say(f"{tag} {end}")

    async with ScriptedImap(_leaving(drip), moody.serve) as server:
        poller = room.poller(server)
        running = asyncio.create_task(poller.run())
        await until(lambda: room.came(1, 2, 3))
        await poller.stop(1)
        assert running.done()


# --- answers that make no sense -------------------------------------------------------------------------------------


async def test_ten_thousand_lines_that_nobody_asked_for_do_not_hide_a_mail(room: Room) -> None:
    noise = [b"* %d FETCH (FLAGS (\\Seen))" % n for n in range(1, 5001)] + [b"* 1 EXPUNGE"] * 5000

    def burst(command: str) -> tuple[list[bytes], str] | None:
        answers, end = Moody._answer(moody, command, command.upper().split())
        return ([*noise, *answers], end) if command.startswith("UID") else None

    moody = Odd(letters(1, 2, 3), rules=[burst])
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server)
        await poller.poll_once()
        assert await room.came(1, 2, 3)
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
async def test_without_a_uidvalidity_that_makes_sense_nothing_is_begun(room: Room, lines: tuple[bytes, ...]) -> None:
    rules = [_selects(*lines)]
    moody = Odd(letters(1, 2), rules=rules)
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server)
        with pytest.raises(ProtocolError, match="UIDVALIDITY"):
            await poller.poll_once()
        assert await room.record("uidvalidity") == ""
        rules.clear()
        await poller.poll_once()
        assert await room.came(1, 2)
        await poller.stop(1)


@pytest.mark.parametrize("following", [b"0", b"-1", b"4294967296", b"99999999999999999999"])
async def test_a_next_uid_that_makes_no_sense_is_found_out_by_asking(room: Room, following: bytes) -> None:
    lines = [b"* 1000000000000 EXISTS", b"* OK [UIDVALIDITY 7] x", b"* OK [UIDNEXT %s] x" % following]
    moody = Odd(letters(1, 2), rules=[_selects(*lines)])
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server, start="now")
        await poller.poll_once()
        assert await room.waiting() == []
        assert await room.record("uid") == "2"
        moody.messages |= letters(3)
        await poller.poll_once()
        assert await room.came(3)
        await poller.stop(1)


@pytest.mark.parametrize("line", [b"* SEARCH 1 2 4294967296", b"* SEARCH -1", b"* SEARCH 0 1", b"* SEARCH 1 2 x"])
async def test_uids_that_are_none_move_no_checkpoint(room: Room, line: bytes) -> None:
    rules: list[Any] = [lambda command: ([line], "OK done") if "SEARCH" in command else None]
    moody = Odd(letters(1, 2), rules=rules)
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server)
        with pytest.raises(ProtocolError):
            await poller.poll_once()
        await poller._drop()
        assert await room.record("uid") == "0"
        rules.clear()
        await poller.poll_once()
        assert await room.came(1, 2)
        await poller.stop(1)


class Miscounting(Moody):
    """Announces *size* for message 2, whatever it has."""

    size = b""

    def _parts(self, command: str, uid: int) -> list[bytes]:
        parts = super()._parts(command, uid)
        known = b"RFC822.SIZE %d" % len(letter(2))
        return [part.replace(known, b"RFC822.SIZE " + self.size) for part in parts] if uid == 2 else parts


@pytest.mark.parametrize("size", [b"18446744073709551616", b"-99999999999", b"many"])
async def test_a_mail_whose_size_makes_no_sense_comes_all_the_same_and_keeps_none_back(room: Room, size: bytes) -> None:
    moody = Miscounting(letters(1, 2, 3))
    moody.size = size
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server)
        await poller.poll_once()
        assert await room.came(1, 2, 3)
        await poller.stop(1)


async def test_a_mail_of_three_gigabytes_whose_size_is_below_zero_is_taken_by_its_headers(
    room: Room, mailstore: MailStore
) -> None:
    moody = Miscounting({1: Message(letter(1)), 2: Message(letter(2), HEADER), 3: Message(letter(3))})
    moody.size = b"-1294967296"  # counted with 32 bits
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server)
        await poller.poll_once()
        assert await room.came(1, 2, 3)
        (stored,) = await mailstore.get(item_id("desk", letter(2)))
        assert (stored.raw, stored.sidecar.oversized, stored.sidecar.size) == (HEADER, True, 3_000_000_000)
        await poller.stop(1)


async def test_answers_for_other_mail_than_was_asked_for_are_not_taken_for_it(room: Room) -> None:
    class Confused(Moody):
        def _fetch(self, command: str, uids: set[int]) -> tuple[list[bytes], str]:
            if "PEEK[]" in command and 2 in uids:
                return [b"* 3 FETCH (UID 3 BODY[] {4}", b"evil)", b"* 9 FETCH (UID 77 BODY[] {4}", b"evil)"], "OK done"
            return super()._fetch(command, uids)

    moody = Confused({2: Message(letter(2), HEADER)})
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server)
        await poller.poll_once()
        assert await room.came(2)
        assert await Mailbox(room.redis, "desk").owed() == {2: 0}
        await poller.stop(1)


def _page(form: str, most: int) -> Callable[[Moody], Callable[[str], tuple[list[bytes], str] | None]]:
    """A SEARCH that lists *most* mails at a time, in the *form* of one answer or another."""

    def ruled(moody: Moody) -> Callable[[str], tuple[list[bytes], str] | None]:
        def page(command: str) -> tuple[list[bytes], str] | None:
            if "SEARCH" not in command:
                return None
            first = int(command.split()[3].split(":")[0])
            found = [uid for uid in sorted(moody.messages) if uid >= first][:most]
            if form == "several":
                return [b"* SEARCH %d" % uid for uid in found], "OK done"
            if form == "extended":
                runs = b" ALL %d:%d" % (found[0], found[-1]) if found else b""
                return [b'* ESEARCH (TAG "A9") UID' + runs], "OK done"
            return [b"* SEARCH " + b" ".join(b"%d" % uid for uid in found)], "OK done"

        return page

    return ruled


async def test_a_server_that_always_tells_of_mail_that_is_not_there_does_not_keep_the_worker_busy(room: Room) -> None:
    moody = Odd(
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
            answers, end = moody._answer(command, command.upper().split())
            await talk.send(b"".join(answer + b"\r\n" for answer in answers))
            await talk.say(f"{tag} {end}")

    async with ScriptedImap(_leaving(boasting), again=True) as server:
        poller = room.poller(server, poll=30.0)
        running = asyncio.create_task(poller.run())
        await asyncio.sleep(0.8)
        await poller.stop(1)
        await running
    assert 2 <= idles <= 0.8 / VAIN + 2  # they were hundreds


@pytest.mark.parametrize(("form", "most"), [("one", 50), ("several", 1000), ("extended", 1000), ("extended", 100)])
async def test_a_search_that_tells_a_page_at_a_time_or_in_another_form_tells_all_in_one_check(
    room: Room, form: str, most: int
) -> None:
    moody = Odd(letters(*range(1, 121)))
    moody.rules.append(_page(form, most)(moody))
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server)
        await poller.poll_once()
        assert await room.came(*range(1, 121))
        await poller.stop(1)


async def test_a_server_that_was_set_back_and_gives_old_numbers_to_new_mail_is_read_anew(room: Room) -> None:
    """Restored from a backup, or a snapshot of its machine: UIDVALIDITY as before, and UIDs that were given already."""
    moody = Moody(letters(1, 2, 3, 4))
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server)
        await poller.poll_once()
        await poller.stop(1)
        moody.messages = letters(1, 2) | {3: Message(letter(5))}
        await poller.poll_once()
        assert await room.came(1, 2, 3, 4, 5)
        assert await room.record("baselines") == "2"
        await poller.stop(1)
        await poller.poll_once()
        assert await room.record("baselines") == "2"
        await poller.stop(1)


async def test_a_server_that_always_tells_a_wrong_next_number_is_not_read_anew_each_time(room: Room) -> None:
    lines = [b"* 4 EXISTS", b"* OK [UIDVALIDITY 7] x", b"* OK [UIDNEXT 1] x"]
    moody = Odd(letters(1, 2, 3, 4), rules=[_selects(*lines)])
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = room.poller(server)
        for _ in range(3):
            await poller.poll_once()
            await poller.stop(1)
        assert await room.came(1, 2, 3, 4)
        assert await room.record("baselines") == "1"

"""Invented UIDs: a server that lists what it never assigned must not hide the mail that comes later."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from tests.support.scripted_imap import ScriptedImap
from tests.worker.faulty_mailbox import FaultyMailbox, Message
from tests.worker.mailboxes.poller_bench import Odd, PollerBench, letters
from tests.worker.polled_mailbox import PolledMailbox, make_mail
from worker.commands.importer import Importer
from worker.commands.progress_bar import ProgressLine
from worker.imap import CommandRefusedError
from worker.mailboxes.connections import AccountConnector
from worker.mailboxes.new_uids import count_assigned
from worker.mailboxes.poller import PAGE
from worker.mailboxes.watched_folder import WatchedFolder
from workitems.base import keys
from workitems.intake.identity import item_id
from workitems.mailboxes.checkpoint import Checkpoint, FolderRecord
from workitems.mailboxes.import_progress import ImportProgressStore

MakeMailbox = Callable[..., PolledMailbox]


@dataclass(slots=True)
class Inventing(FaultyMailbox):
    """A server whose SEARCH adds *listed*, whose FETCH gives *given* too, and whose UIDNEXT can be fixed."""

    listed: tuple[int, ...] = ()
    given: dict[int, Message] = field(default_factory=dict)
    uidnext: int | None = None  # 0: SELECT gives none
    is_unsolicited: bool = False  # the additional UIDs come in a response of their own
    commands: list[str] = field(default_factory=list)

    def _answer(self, command: str, words: list[str]) -> tuple[list[bytes], str]:
        self.commands.append(command)
        lines, end = FaultyMailbox._answer(self, command, words)
        if words[0] == "SELECT" and self.uidnext is not None:
            lines = [line for line in lines if b"UIDNEXT" not in line]
            lines += [b"* OK [UIDNEXT %d] next" % self.uidnext] if self.uidnext else []
        if words[:2] == ["UID", "SEARCH"] and self.listed:
            more = b" ".join(b"%d" % uid for uid in self.listed)
            lines = [*lines, b"* SEARCH " + more] if self.is_unsolicited else [lines[0] + b" " + more]
        if words[:2] == ["UID", "FETCH"] and self.given:
            real, self.messages = self.messages, self.messages | self.given
            lines, end = FaultyMailbox._answer(self, command, words)
            self.messages = real
        return lines, end

    def count(self, name: str) -> int:
        return sum(command.startswith(name) for command in self.commands)


@pytest.mark.parametrize("listed", [(900,), (4294967295,), (3,), (3, 4, 5), (900, 901, 902)])
@pytest.mark.parametrize("is_unsolicited", [False, True])
async def test_an_invented_uid_does_not_hide_the_mail_that_comes_later(
    bench: PollerBench, listed: tuple[int, ...], is_unsolicited: bool
) -> None:
    server = Inventing(letters(1, 2), listed=listed, is_unsolicited=is_unsolicited)
    async with ScriptedImap(server.serve, again=True) as imap:
        poller = bench.poller(imap)
        for _ in range(3):
            await poller.poll_once()
            assert await bench.came(1, 2)
            assert await bench.record("uid") == "2"
        server.messages |= letters(3)
        await poller.poll_once()
        assert await bench.came(1, 2, 3)
        server.messages |= letters(4, 5)
        await poller.poll_once()
        assert await bench.came(1, 2, 3, 4, 5)
        assert await FolderRecord(bench.redis, "desk").unfetched_uids() == {}
        await poller.stop(1)


async def test_an_invented_uid_for_which_fetch_gives_a_mail_moves_no_checkpoint_either(bench: PollerBench) -> None:
    server = Inventing(letters(1, 2), listed=(900,), given={900: Message(make_mail(77))})
    async with ScriptedImap(server.serve, again=True) as imap:
        poller = bench.poller(imap)
        await poller.poll_once()
        assert await bench.came(1, 2, 77), "what a server gives is read: its UIDNEXT may be what is wrong"
        assert await bench.record("uid") == "2"
        fetches = server.count("UID FETCH")
        await poller.poll_once()
        assert server.count("UID FETCH") == fetches, "it is read once"
        server.messages |= letters(3)
        await poller.poll_once()
        assert await bench.came(1, 2, 3, 77)
        await poller.stop(1)


async def test_an_invented_uid_is_logged_once_with_its_number(
    bench: PollerBench, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Inventing(letters(1, 2), listed=(900,))
    async with ScriptedImap(server.serve, again=True) as imap:
        poller = bench.poller(imap)
        for _ in range(3):
            await poller.poll_once()
        await poller.stop(1)
    said = "".join(capsys.readouterr())
    assert said.count("the server lists UIDs that it has not assigned") == 1
    assert "900" in said


async def test_an_invented_uid_is_not_taken_for_the_end_of_the_folder_where_no_uidnext_is_given(
    bench: PollerBench,
) -> None:
    server = Inventing(letters(1, 2), listed=(900,), uidnext=0)
    async with ScriptedImap(server.serve, again=True) as imap:
        poller = bench.poller(imap, start="now")
        await poller.poll_once()
        assert await bench.record("uid") == "2"
        server.messages |= letters(3, 7)
        await poller.poll_once()
        assert await bench.came(3, 7)
        assert await bench.record("uid") == "7"
        await poller.stop(1)


async def test_mail_behind_a_uidnext_that_stays_old_is_read_and_each_once(bench: PollerBench) -> None:
    server = Inventing(letters(1, 2), uidnext=3)
    async with ScriptedImap(server.serve, again=True) as imap:
        poller = bench.poller(imap)
        await poller.poll_once()
        server.messages |= letters(5, 9)
        await poller.poll_once()
        assert await bench.came(1, 2, 5, 9)
        bodies = sum("BODY" in command for command in server.commands)
        await poller.poll_once()
        assert sum("BODY" in command for command in server.commands) == bodies
        server.uidnext = None
        server.messages |= letters(10)
        await poller.poll_once()
        assert await bench.came(1, 2, 5, 9, 10)
        assert await bench.record("uid") == "10"
        await poller.stop(1)


async def test_mail_that_comes_in_sequence_costs_no_further_select(bench: PollerBench) -> None:
    server = Inventing(letters(1, 2))
    async with ScriptedImap(server.serve, again=True) as imap:
        poller = bench.poller(imap)
        for n in range(3, 7):
            await poller.poll_once()
            server.messages |= letters(n)
        await poller.poll_once()
        assert await bench.came(*range(1, 7))
        assert server.count("SELECT") == 1
        await poller.stop(1)


@pytest.mark.parametrize("uids", [(3,), (3, 4), (30, 40)])
async def test_mail_that_comes_between_select_and_search_is_read_in_the_same_poll(
    bench: PollerBench, uids: tuple[int, ...]
) -> None:
    server = Odd(letters(1, 2))

    def arrive(command: str) -> None:
        if command.startswith("UID SEARCH"):
            server.messages |= letters(*uids)

    server.rules.append(arrive)
    async with ScriptedImap(server.serve, again=True) as imap:
        poller = bench.poller(imap)
        await poller.poll_once()
        assert await bench.came(1, 2, *uids)
        assert await bench.record("uid") == str(uids[-1])
        await poller.stop(1)


async def test_a_mail_that_is_not_given_is_remembered_once_it_is_known_to_be_assigned(bench: PollerBench) -> None:
    """The message after it proves that; without one the next UIDNEXT does."""
    server = Inventing(letters(1, 2))
    async with ScriptedImap(server.serve, again=True) as imap:
        poller = bench.poller(imap)
        await poller.poll_once()
        server.messages |= {3: Message(None, later=1000)} | letters(4)
        await poller.poll_once()
        assert await bench.came(1, 2, 4)
        assert await bench.record("uid") == "4"
        assert await FolderRecord(bench.redis, "desk").unfetched_uids() == {3: 0}
        server.messages |= {5: Message(None, later=1000)}
        await poller.poll_once()
        assert await bench.record("uid") == "4"
        await poller.poll_once()
        assert await bench.record("uid") == "5"
        assert set(await FolderRecord(bench.redis, "desk").unfetched_uids()) == {3, 5}
        server.messages |= letters(3, 5)
        await poller.poll_once()
        assert await bench.came(1, 2, 3, 4, 5)
        await poller.stop(1)


async def test_mail_that_is_asked_for_again_moves_no_checkpoint_past_mail_that_was_not_stored(
    bench: PollerBench,
) -> None:
    """A worker can end between remembering UID 3 and storing 1 and 2."""
    rules: list[Any] = [lambda command: ([], "NO not now") if "SEARCH" in command else None]
    server = Odd(letters(1, 2, 3), rules=rules)
    record = FolderRecord(bench.redis, "desk")
    await record.set_checkpoint(Checkpoint(7, 0))
    await record.set_unfetched_uids({3: 0})
    async with ScriptedImap(server.serve, again=True) as imap:
        poller = bench.poller(imap)
        with pytest.raises(CommandRefusedError):
            await poller.poll_once()
        assert await bench.came(3)
        assert await bench.record("uid") == "0"
        rules.clear()
        await poller.poll_once()
        assert await bench.came(1, 2, 3)
        await poller.stop(1)


async def test_a_checkpoint_that_an_invented_uid_moved_in_the_past_is_set_back(bench: PollerBench) -> None:
    server = Inventing(letters(1, 2, 3), listed=(900,))
    await FolderRecord(bench.redis, "desk").set_checkpoint(Checkpoint(7, 900))
    async with ScriptedImap(server.serve, again=True) as imap:
        poller = bench.poller(imap)
        await poller.poll_once()
        assert await bench.came(1, 2, 3)
        await poller.stop(1)


@pytest.mark.parametrize("uidnext", [None, 0])
async def test_an_import_ends_at_the_last_mail_that_is_there(bench: PollerBench, uidnext: int | None) -> None:
    server = Inventing(letters(1, 2), listed=(900,), uidnext=uidnext)
    imports = ImportProgressStore(bench.redis, "desk", "INBOX")
    saved: list[int] = []
    save = imports.save

    async def save_and_note(progress: Any) -> None:
        saved.append(progress.last_uid)
        await save(progress)

    imports.save = save_and_note  # type: ignore[method-assign]
    async with ScriptedImap(server.serve, again=True) as imap:
        importer = Importer(
            WatchedFolder("desk", lambda: imap.account),
            AccountConnector(),
            imports,
            FolderRecord(bench.redis, "desk"),
            bench.intake,
            ProgressLine(io.StringIO()),
            asyncio.Event(),
            max_waiting=1000,
        )
        assert await importer.run("all")
    assert await bench.came(1, 2)
    assert set(saved) == {2}
    assert importer.counts.failed == 0


@pytest.mark.parametrize(
    ("uids", "below", "count"),
    [
        ([], 3, 0),
        ([1, 2], 3, 2),
        ([1, 2, 900], 3, 2),
        ([3, 4], 3, 2),
        ([1, 3, 4, 6], 3, 3),
        ([900], 3, 0),
        ([1, 2, 5], 1, 2),
    ],
)
def test_uids_are_assigned_below_uidnext_and_in_sequence_from_it(uids: list[int], below: int, count: int) -> None:
    assert count_assigned(uids, below) == count


def test_a_sequence_ends_at_a_uid_that_fetch_did_not_give() -> None:
    assert count_assigned([1, 2, 3, 4], 3, doubtful_from=4) == 3
    assert count_assigned([1, 2, 3, 4], 3, doubtful_from=3) == 2


async def test_dovecot_mail_that_comes_between_select_and_search_is_read_in_the_same_poll(
    make_mailbox: MakeMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = make_mailbox()
    mailbox.seed(make_mail(1))
    open_session = mailbox.poller._open

    async def open_then_deliver() -> Any:
        session = await open_session()
        client = mailbox.imap()
        client.append("INBOX", "", "", make_mail(2))
        client.append("INBOX", "", "", make_mail(3))
        client.uid("STORE", "2", "+FLAGS", "\\Deleted")
        client.expunge()  # the next UID is skipped
        client.logout()
        return session

    monkeypatch.setattr(mailbox.poller, "_open", open_then_deliver)
    await mailbox.poller.poll_once()
    assert await mailbox.waiting() == [item_id("desk", make_mail(1)), item_id("desk", make_mail(3))]
    assert (await mailbox.record())["uid"] == "3"
    assert (await mailbox.redis.hget(keys.mailbox("desk"), "unfetched")) is None
    await mailbox.poller.stop(1)


async def test_without_a_uidnext_a_search_that_lists_pages_is_read_to_its_end(bench: PollerBench) -> None:
    server = Inventing(letters(*range(1, 100, 2)), uidnext=0)

    def page(command: str) -> tuple[list[bytes], str] | None:
        first = int(command.split()[3].split(":")[0]) if "SEARCH" in command else 0
        found = [uid for uid in sorted(server.messages) if uid >= first][:PAGE]
        return ([b"* SEARCH " + b" ".join(b"%d" % uid for uid in found)], "OK done") if first else None

    odd = Odd(server.messages, rules=[page, lambda command: server._answer(command, command.upper().split())])
    async with ScriptedImap(odd.serve, again=True) as imap:
        poller = bench.poller(imap)
        await poller.poll_once()
        server.messages |= letters(*range(200, 300, 2))
        odd.messages = server.messages
        await poller.poll_once()
        assert len(await bench.waiting()) == 100
        assert await bench.record("uid") == "298"
        await poller.stop(1)


async def test_mail_not_given_at_the_end_of_a_page_is_not_passed_by_mail_that_comes_before_the_next_search(
    bench: PollerBench,
) -> None:
    server, last = Odd(letters(1, 2)), PAGE + 3
    searches: list[str] = []

    def arrive(command: str) -> None:
        if "SEARCH" in command:
            searches.append(command)
            if len(searches) == 1:  # after SELECT, so its UIDNEXT is 3
                server.messages |= letters(*range(3, last)) | {last: Message(None, later=1000)}
            elif searches[0] != command:
                server.messages |= letters(last + 1)

    server.rules.append(arrive)
    async with ScriptedImap(server.serve, again=True) as imap:
        poller = bench.poller(imap)
        await poller.poll_once()
        assert await bench.record("uid") == str(last + 1)
        assert set(await FolderRecord(bench.redis, "desk").unfetched_uids()) == {last}
        server.messages |= letters(last)
        await poller.poll_once()
        assert await bench.came(*range(1, last + 2))
        await poller.stop(1)


@pytest.mark.parametrize("uidnext", [0, 2])
async def test_mail_of_the_first_sync_that_is_not_given_yet_is_not_passed_as_mail_from_before_the_start(
    bench: PollerBench, uidnext: int
) -> None:
    server = Inventing({2: Message(None, later=1000)}, uidnext=uidnext)
    await FolderRecord(bench.redis, "desk").set_checkpoint(Checkpoint(7, 0, since=date(2026, 3, 1), below=3))
    async with ScriptedImap(server.serve, again=True) as imap:
        poller = bench.poller(imap)
        for _ in range(2):
            await poller.poll_once()
        server.messages = letters(2)
        await poller.poll_once()
        assert await bench.came(2)
        await poller.stop(1)

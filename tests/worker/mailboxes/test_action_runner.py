"""After-actions on a real Dovecot: the one of the settings, when it is due, and nothing else."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import pytest
from tornado.ioloop import IOLoop

from tests.support.dovecot import Dovecot
from tests.support.redis_server import RedisServer
from tests.support.scripted_imap import ScriptedImap, Talk
from tests.worker.polled_mailbox import make_mail, until
from worker.imap import Account, Connection, ConnectionLostError, ImapError, ProtocolError, connect
from worker.mailboxes import action_runner
from worker.mailboxes.action_runner import ActionPlan, ActionRunner
from worker.mailboxes.after_action import AfterAction
from worker.mailboxes.poller import Poller
from worker.mailboxes.watched_folder import WatchedFolder
from workitems.base import keys
from workitems.base.json_codec import encode_json_str
from workitems.base.redis import RedisClient
from workitems.base.redis import connect as connect_redis
from workitems.base.tasks import cancel_and_wait
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import FolderRecord
from workitems.mailboxes.lease import Lease
from workitems.mailboxes.pending_actions import MailLocation, PendingActions
from workitems.mailstore.store import MailStore

Opener = Callable[[Account], Awaitable[Connection]]


class Box:
    """A mailbox with mail in it, and its pending actions."""

    def __init__(self, server: Dovecot, user: str, redis: RedisClient) -> None:
        self.server = server
        self.user = user
        self.redis = redis
        self.made: list[ActionRunner] = []
        self.account = Account(server.host, server.port, "none", user, "secret")

    async def dealing(
        self, after: str, *, held: bool = True, folders: tuple[str, ...] = ("INBOX",), opener: Opener = connect
    ) -> ActionRunner:
        step = AfterAction.from_setting(after)
        assert step
        lease = Lease(self.redis, "desk", "worker", ttl_seconds=60)
        if held:
            await lease.acquire()
        care = ActionPlan("desk", lambda: self.account, folders, step)
        self.made.append(ActionRunner(care, PendingActions(self.redis, "desk"), lease, open_mailbox=opener))
        return self.made[-1]

    async def put(self, *uids: int, folder: str = "INBOX", uidvalidity: int = 0) -> None:
        """Add pending actions for the mail of *uids*."""
        valid = uidvalidity or (await self.looked(folder))[0]
        for uid in uids:
            await self.redis.zadd(keys.after("desk"), {encode_json_str([folder, valid, uid]): 1000})

    async def looked(self, folder: str = "INBOX") -> tuple[int, dict[int, set[str]]]:
        """Return the folder's UIDVALIDITY, and the flags of its mail by UID."""
        connection = await connect(self.account)
        try:
            opened = await connection.select(folder)
            told = await connection.fetch_summaries(await connection.search(1))
            return opened.uidvalidity, {uid: set(each.flags) - {"\\Recent"} for uid, each in told.items()}
        finally:
            await connection.close()

    async def flags(self, folder: str = "INBOX") -> dict[int, set[str]]:
        return (await self.looked(folder))[1]

    async def waiting(self) -> list[bytes]:
        found: list[bytes] = await self.redis.zrange(keys.after("desk"), 0, -1)
        return found

    async def error(self, folder: str = "INBOX") -> str:
        return (await self.redis.hget(keys.mailbox("desk", folder), "after_error") or b"").decode()


@pytest.fixture
def box(post_dovecot: Dovecot, _fresh_users: Iterator[str], redis: RedisClient, io_loop: IOLoop) -> Iterator[Box]:
    box = Box(post_dovecot, next(_fresh_users), redis)
    post_dovecot.seed([make_mail(n) for n in range(1, 5)], user=box.user)
    yield box
    for each in box.made:
        io_loop.run_sync(each._close_connection)


@pytest.mark.parametrize(("after", "flag"), [("seen", "\\Seen"), ("keyword:Tubepost", "Tubepost")])
async def test_mail_that_is_due_gets_its_flag_and_other_mail_is_unchanged(box: Box, after: str, flag: str) -> None:
    dealing = await box.dealing(after)
    await box.put(1, 3)
    assert await dealing.run_once()
    assert await box.flags() == {1: {flag}, 2: set(), 3: {flag}, 4: set()}
    assert await box.waiting() == []
    assert not await dealing.run_once()


@pytest.mark.parametrize("after", ["seen", "move:Processed"])
async def test_mail_that_came_since_the_folder_was_opened_is_dealt_with_too(box: Box, after: str) -> None:
    dealing = await box.dealing(after)
    await box.put(1)
    await dealing.run_once()
    for n in (5, 6):
        box.server.seed([make_mail(n)], user=box.user)
        await box.put(n)  # looking at the folder numbers what came
        await dealing.run_once()
    left = await box.flags()
    assert [uid for uid in (1, 5, 6) if uid in left and "\\Seen" not in left[uid]] == []
    assert await box.waiting() == []


async def test_mail_that_the_server_does_not_show_yet_is_dealt_with_later(box: Box) -> None:
    dealing = await box.dealing("seen")
    await box.put(1, 5)
    await dealing.run_once()
    assert await box.waiting() == [encode_json_str(["INBOX", (await box.looked())[0], 5]).encode()]


async def test_mail_that_is_due_is_moved_into_a_folder_that_is_made(box: Box) -> None:
    dealing = await box.dealing("move:Erledigt.Bücher")
    await box.put(2, 3)
    await dealing.run_once()
    assert sorted(await box.flags()) == [1, 4]
    assert sorted(await box.flags("Erledigt.Bücher")) == [1, 2]
    assert await box.waiting() == []
    assert await box.error() == ""


async def test_mail_that_a_person_moved_or_deleted_meanwhile_is_done(box: Box) -> None:
    connection = await connect(box.account)
    await connection.select("INBOX")
    await connection.move([2], "Elsewhere")
    await connection.close()
    for after in ("seen", "move:Processed"):
        await box.put(1, 2)
        await (await box.dealing(after)).run_once()
        assert await box.waiting() == []
    assert sorted(await box.flags()) == [3, 4]
    assert await box.flags("Elsewhere") == {1: set()}
    assert await box.flags("Processed") == {1: {"\\Seen"}}


async def test_a_place_of_another_numbering_is_dropped_and_no_mail_that_has_its_number_now_is_touched(box: Box) -> None:
    dealing = await box.dealing("move:Processed")
    await box.put(1, uidvalidity=7)
    await box.put(2)
    await dealing.run_once()
    assert sorted(await box.flags()) == [1, 3, 4]
    assert await box.waiting() == []


async def test_sent_mail_and_mail_that_we_moved_is_not_moved(box: Box) -> None:
    dealing = await box.dealing("move:Processed")
    await box.put(1)
    await dealing.run_once()
    await box.put(1, folder="Processed")
    box.server.seed([make_mail(9)], user=box.user, folder="Sent")
    await box.put(1, folder="Sent")
    await dealing.run_once()
    assert sorted(await box.flags("Processed")) == [1]
    assert sorted(await box.flags("Sent")) == [1]
    assert await box.waiting() == []


async def test_mail_that_we_moved_and_that_is_read_again_elsewhere_is_the_same_item(
    box: Box, mailstore: MailStore
) -> None:
    intake = Intake(box.redis, mailstore, max_waiting=100, after_action_on={"desk": "published"})

    async def read(folder: str) -> None:
        watch = WatchedFolder("desk", lambda: box.account, folder, "all")
        poller = Poller(watch, FolderRecord(box.redis, "desk", folder), intake)
        await poller.poll_once()
        await poller.stop(1)

    await read("INBOX")
    await box.put(1, 2)
    await (await box.dealing("move:Processed")).run_once()
    await read("Processed")
    assert sorted(await box.flags("Processed")) == [1, 2]
    assert await box.redis.xlen(keys.INTAKE) == 4, "nothing is read twice"


async def test_the_uids_of_several_folders_are_kept_apart(box: Box) -> None:
    box.server.seed([make_mail(9), make_mail(10)], user=box.user, folder="Claims")
    dealing = await box.dealing("keyword:Done", folders=("INBOX", "Claims"))
    await box.put(1)
    await box.put(2, folder="Claims")
    await dealing.run_once()
    assert await box.flags() == {1: {"Done"}, 2: set(), 3: set(), 4: set()}
    assert await box.flags("Claims") == {1: set(), 2: {"Done"}}


async def test_hundreds_are_done_in_a_few_goes(box: Box) -> None:
    box.server.seed([make_mail(n) for n in range(5, 451)], user=box.user)
    dealing = await box.dealing("seen")
    await box.put(*range(1, 451))
    goes = 0
    while await dealing.run_once():
        goes += 1
    assert goes == 3
    assert all(flags == {"\\Seen"} for flags in (await box.flags()).values())


async def test_only_the_holder_of_the_lease_acts(box: Box) -> None:
    dealing = await box.dealing("seen", held=False)
    await box.put(1)
    assert not await dealing.run_once()
    assert await box.flags() == {1: set(), 2: set(), 3: set(), 4: set()}
    await dealing._lease.acquire()
    assert await dealing.run_once()
    assert (await box.flags())[1] == {"\\Seen"}


async def test_a_missing_folder_is_reported_and_retried_until_it_exists(box: Box) -> None:
    dealing = await box.dealing("seen", folders=("INBOX", "Claims"))
    await box.put(1, folder="Claims", uidvalidity=7)
    await box.put(1)
    assert await dealing.run_once()
    assert (await box.flags())[1] == {"\\Seen"}, "another folder is not held up"
    assert 'the folder "Claims"' in await box.error("Claims")
    assert await box.error() == ""
    assert await box.waiting() == [b'["Claims",7,1]']
    assert not await dealing.run_once(), "it is not due again yet"
    box.server.seed([make_mail(9)], user=box.user, folder="Claims")
    await box.redis.delete(keys.after("desk"))
    await box.put(1, folder="Claims")
    assert await dealing.run_once()
    assert (await box.flags("Claims"))[1] == {"\\Seen"}
    assert await box.error("Claims") == ""


async def test_an_error_of_an_earlier_worker_is_cleared_when_no_action_is_pending(box: Box) -> None:
    await PendingActions(box.redis, "desk").set_error("INBOX", "long ago")
    await (await box.dealing("seen")).run_once()
    assert await box.error() == ""


async def test_an_unavailable_mailbox_is_reported_and_work_continues_when_it_is_back(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action_runner, "POLL", 0.02)
    away = True

    async def opener(account: Account) -> Connection:
        if away:
            raise ConnectionLostError("nobody answers")
        return await connect(account)

    dealing = await box.dealing("seen", opener=opener)
    await box.put(1)
    running = asyncio.create_task(dealing.run())

    async def told() -> bool:
        return await box.error() == "nobody answers"

    await until(told)
    assert len(await box.waiting()) == 1
    away = False

    async def well() -> bool:
        return not await box.waiting() and not await box.error()

    await until(well)
    assert (await box.flags())[1] == {"\\Seen"}
    await cancel_and_wait(running)
    assert dealing._connection is None


async def test_while_redis_is_unavailable_it_waits_and_then_continues(
    box: Box, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(action_runner, "POLL", 0.02)
    monkeypatch.setattr(action_runner, "MAX_BACKOFF_SECONDS", 0.05)
    server = RedisServer().start()
    box.redis = connect_redis(server.url)
    try:
        dealing, attempts = await box.dealing("seen"), list[int]()
        list_due = dealing._pending.list_due

        def count_attempts(most: int) -> Awaitable[list[MailLocation]]:
            attempts.append(most)
            return list_due(most)

        monkeypatch.setattr(dealing._pending, "list_due", count_attempts)
        running = asyncio.create_task(dealing.run())

        async def away() -> bool:
            return dealing._is_redis_down

        server.kill()
        await until(away)
        attempts.clear()

        async def several() -> bool:
            return len(attempts) >= 3

        await until(several)
        assert capsys.readouterr().out.count("mail cannot be dealt with") == 1, "it is said once"
        server.start()
        await box.put(1)

        async def done() -> bool:
            return not await box.waiting()

        await until(done)
        assert (await box.flags())[1] == {"\\Seen"}
        await cancel_and_wait(running)
    finally:
        await box.redis.aclose()
        server.stop()


async def test_a_connection_is_kept_while_it_is_used_and_then_closed(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = 0

    async def opener(account: Account) -> Connection:
        nonlocal opened
        opened += 1
        return await connect(account)

    dealing = await box.dealing("seen", opener=opener)
    for uid in (1, 2, 3):
        await box.put(uid)
        await dealing.run_once()
        await dealing.run_once()
    assert opened == 1
    monkeypatch.setattr(action_runner, "IDLE_CONNECTION_SECONDS", -1.0)
    await dealing.run_once()
    assert dealing._connection is None
    await box.put(4)
    await dealing.run_once()
    assert opened == 2


async def test_a_cut_between_the_server_s_ok_and_our_record_repeats_the_step_without_harm(box: Box) -> None:
    for after in ("keyword:Tubepost", "move:Processed"):
        await box.put(1, 2)
        await (await box.dealing(after)).run_once()
        await box.put(1, 2)  # as if it had not been recorded
        await (await box.dealing(after)).run_once()
        assert await box.waiting() == []
    assert await box.flags("Processed") == {1: {"Tubepost"}, 2: {"Tubepost"}}
    assert sorted(await box.flags()) == [3, 4]


# --- servers that are not Dovecot -----------------------------------------------------------------------------------


async def scripted(box: Box, server: ScriptedImap, after: str) -> ActionRunner:
    box.account = server.account
    return await box.dealing(after)


async def opened(talk: Talk, flags: str = "\\Seen \\*", end: str = "OK [READ-WRITE] done", more: str = "MOVE") -> None:
    await talk.sign_in(f"IMAP4rev1 {more}")
    await talk.answer(
        "SELECT .*", "* FLAGS (\\Seen)", f"* OK [PERMANENTFLAGS ({flags})] x", "* OK [UIDVALIDITY 7] x", end=end
    )


@pytest.mark.parametrize(
    ("after", "how", "said"),
    [
        ("seen", {"end": "OK [READ-ONLY] look but do not touch"}, "for reading only"),
        ("seen", {"flags": "\\Deleted"}, "does not keep"),
        ("keyword:Tubepost", {"flags": "\\Seen"}, "keeps no keyword Tubepost"),
        ("move:Processed", {"more": ""}, "neither MOVE"),
        ("move:Processed", {"more": "UIDPLUS"}, "may take no mail out"),
        ("move:inbox", {}, "mail is already"),
    ],
)
async def test_what_the_server_cannot_do_is_not_tried_and_waits(
    box: Box, after: str, how: dict[str, str], said: str
) -> None:
    async def script(talk: Talk) -> None:
        await opened(talk, **how)
        await talk.answer("LOGOUT", "* BYE")

    async with ScriptedImap(script) as server:
        dealing = await scripted(box, server, after)
        await box.put(1, 2, uidvalidity=7)
        assert await dealing.run_once()
        assert said in await box.error()
        assert len(await box.waiting()) == 2
        assert await PendingActions(box.redis, "desk").list_due(10) == []
        await dealing._close_connection()


async def test_exchange_which_refuses_a_batch_with_mail_that_is_gone_is_asked_by_halves(box: Box) -> None:
    async def script(talk: Talk) -> None:
        await opened(talk)
        for uids in ("1:4", "1:2", "1", "2", None, "3:4"):
            if uids is None:
                await talk.answer("UID FETCH 2 .*")  # it is gone
                continue
            gone = "2" in uids or uids == "1:4"
            await talk.answer(f"UID STORE {uids} .*", end="NO Some messages no longer exist" if gone else "OK done")
        await talk.answer("LOGOUT", "* BYE")

    async with ScriptedImap(script) as server:
        dealing = await scripted(box, server, "seen")
        await box.put(1, 2, 3, 4, uidvalidity=7)
        await dealing.run_once()
        assert await box.waiting() == []
        assert await box.error() == ""
        await dealing._close_connection()


async def test_one_mail_that_is_refused_for_ever_does_not_hold_up_the_others(box: Box) -> None:
    async def script(talk: Talk) -> None:
        await opened(talk)
        for uids, ended in (("1:2", "NO"), ("1", "NO"), (None, ""), ("2", "OK done")):
            if uids is None:
                date = '"02-Mar-2026 10:00:00 +0000"'
                await talk.answer("UID FETCH 1 .*", f"* 1 FETCH (UID 1 RFC822.SIZE 9 INTERNALDATE {date} FLAGS ())")
                continue
            await talk.answer(f"UID MOVE {uids} .*", end="NO this mail is ill" if ended == "NO" else ended)
        await talk.answer("LOGOUT", "* BYE")

    async with ScriptedImap(script) as server:
        dealing = await scripted(box, server, "move:Processed")
        await box.put(1, 2, uidvalidity=7)
        await dealing.run_once()
        assert await box.waiting() == [b'["INBOX",7,1]']
        assert "this mail is ill" in await box.error()
        await dealing._close_connection()


@pytest.mark.parametrize("code", ["OVERQUOTA", "NOPERM", "THROTTLED"])
async def test_what_is_refused_for_the_whole_folder_is_not_asked_for_each_mail(box: Box, code: str) -> None:
    async def script(talk: Talk) -> None:
        await opened(talk)
        await talk.answer("UID MOVE 1:4 .*", end=f"NO [{code}] not now")
        await talk.answer("LOGOUT", "* BYE")

    async with ScriptedImap(script) as server:
        dealing = await scripted(box, server, "move:Processed")
        await box.put(1, 2, 3, 4, uidvalidity=7)
        await dealing.run_once()
        assert len(await box.waiting()) == 4
        assert "not now" in await box.error()
        await dealing._close_connection()


@pytest.mark.parametrize("last", ["* BYE Session invalidated - AccessTokenExpired", "BAD what", ""])
async def test_a_line_that_dies_in_the_midst_leaves_everything_to_be_done(box: Box, last: str) -> None:
    async def script(talk: Talk) -> None:
        await opened(talk)
        tag = await talk.expect("UID STORE .*")
        await talk.say(last if last.startswith("*") else f"{tag} {last}")
        talk.hang_up()

    async with ScriptedImap(script) as server:
        dealing = await scripted(box, server, "seen")
        await box.put(1, 2, uidvalidity=7)
        with pytest.raises(ImapError):
            await dealing.run_once()
        assert len(await PendingActions(box.redis, "desk").list_due(10)) == 2
        await dealing._close_connection()


async def test_a_mail_at_which_the_server_dies_does_not_hold_up_the_others(box: Box) -> None:
    stored: list[str] = []

    async def dies_of_two(talk: Talk) -> None:
        await opened(talk)
        while True:
            tag, _, command = (await talk.line()).partition(" ")
            if command.startswith("SELECT"):
                await talk.say(
                    "* OK [PERMANENTFLAGS (\\Seen \\*)] x", "* OK [UIDVALIDITY 7] x", f"{tag} OK [READ-WRITE] x"
                )
                continue
            uids = command.split()[2] if command.startswith("UID") else ""
            if uids in ("1:4", "2"):
                talk.hang_up()
                return
            stored.append(uids)
            await talk.say(f"{tag} OK done")

    async def script(talk: Talk) -> None:
        with contextlib.suppress(ConnectionError):
            await dies_of_two(talk)

    async with ScriptedImap(script, again=True) as server:
        dealing = await scripted(box, server, "seen")
        await box.put(1, 2, 3, 4, uidvalidity=7)
        for _ in range(6):
            with contextlib.suppress(ImapError):
                await dealing.run_once()
        assert await box.waiting() == [b'["INBOX",7,2]']
        assert stored == ["1", "3", "4"]
        await dealing._close_connection()


async def test_after_senseless_responses_the_connection_is_closed_and_nothing_is_lost(box: Box) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.answer("SELECT .*", "* OK [UIDVALIDITY 0] x")
        await talk.gone()

    async with ScriptedImap(script) as server:
        dealing = await scripted(box, server, "seen")
        await box.put(1, uidvalidity=7)
        with pytest.raises(ProtocolError):
            await dealing.run_once()
        assert len(await box.waiting()) == 1


async def test_a_person_s_mailbox_that_refuses_us_is_not_asked_again_soon(box: Box) -> None:
    box.account = replace(box.account, password="wrong")
    dealing = await box.dealing("seen")
    await box.put(1, uidvalidity=7)
    running = asyncio.create_task(dealing.run())

    async def told() -> bool:
        return bool(await box.error())

    await until(told)
    assert "wrong" not in await box.error()
    assert not running.done()
    await cancel_and_wait(running)
    assert dealing._connection is None
    assert await box.waiting() != []

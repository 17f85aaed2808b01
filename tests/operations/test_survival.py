"""What survives the loss of Redis, and what the loss of the mail store: the cells of the table in docs/retention.md."""

import asyncio
import imaplib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from redis import Redis

from tests.faults.worker_harness import PATIENCE, PROJECT, WorkerHarness, make_mail
from tests.support.accounts import QUICK
from worker.upkeep.repair import MAX_PUT_SECONDS
from workitems.base import keys
from workitems.base.redis import RedisClient, connect
from workitems.intake.identity import item_id
from workitems.mailstore.store import MailStore
from workitems.queue.change import ItemChange
from workitems.queue.item import Item
from workitems.queue.store import ItemStore
from workitems.recovery.durable_state import DurableState

T = TypeVar("T")

READERS = ("tests.faults.readers:prepare", "tests.faults.readers:prepare_headers")

#: Every mail that was published gets a keyword in its mailbox.
SETTINGS = """
after_action = "keyword:Tubepost"
[worker]
retry_read_seconds = 5
"""

CHANGED, PLAIN, ERASED, POISON = (
    make_mail(1),
    make_mail(2),
    make_mail(3),
    make_mail(4, headers="X-Poison: crash\r\n"),
)

IDS = {name: item_id("desk", raw) for name, raw in
       {"changed": CHANGED, "plain": PLAIN, "erased": ERASED, "poison": POISON}.items()}  # fmt: skip


class Installation:
    """A worker with its mailbox, an item that a person worked on, one that was erased, and a user."""

    def __init__(self, harness: WorkerHarness) -> None:
        self.harness = harness
        self.mail_folder = harness.folder / "var" / "mail"

    def begin(self) -> None:
        harness = self.harness
        harness.dovecot.seed([CHANGED, PLAIN, ERASED, POISON])
        harness.start_worker(*READERS)
        harness.until_read(IDS.values())
        harness.until(lambda: self.marked() == {"Letter 1", "Letter 2", "Letter 3", "Letter 4"}, "all mail is marked")
        self.do(self._work)

    async def _work(self, redis: RedisClient, mailstore: MailStore) -> None:
        state = DurableState(redis, mailstore, max_events=1000)
        await state.reconcile()
        change = ItemChange(status="waiting", assignee="ann", fields={"policy_number": "ZZ-1"})
        await ItemStore(redis, max_events=1000).change(IDS["changed"], change, who="ann")
        await state.removal.remove(IDS["erased"], who="ann", why="asked for")
        await state.removal.finish([IDS["erased"]])
        accounts = state.open_accounts(hasher=QUICK)
        await accounts.add_user("ada", "a long password", "agent")
        accounts.close()

    def do(self, work: Callable[[RedisClient, MailStore], Awaitable[T]]) -> T:
        async def run() -> T:
            redis, mailstore = connect(self.harness.redis_server.url), MailStore(self.mail_folder)
            try:
                return await work(redis, mailstore)
            finally:
                mailstore.close()
                await redis.aclose()

        return asyncio.run(run())

    def item(self, name: str) -> Item:
        return self.do(lambda redis, _: ItemStore(redis, max_events=1000).get(IDS[name]))

    def steps(self, name: str) -> list[str]:
        """Return what the history of an item names, in order."""
        history = self.do(lambda redis, _: ItemStore(redis, max_events=1000).history(IDS[name]))
        return [step["field"] for step in history]

    def marked(self, *, unmark: str = "") -> set[str]:
        """Return the subjects of the mail with the keyword; remove it from the mail with the subject *unmark*."""
        with imaplib.IMAP4(self.harness.dovecot.host, self.harness.dovecot.port) as client:
            client.login(self.harness.dovecot.user, self.harness.dovecot.password)
            client.select("INBOX")
            if unmark:
                (number,) = client.search(None, f'SUBJECT "{unmark}"')[1]
                client.store(number.decode(), "-FLAGS", "Tubepost")
            found = client.search(None, "KEYWORD Tubepost")[1][0].split()
            subjects = [client.fetch(n, "BODY.PEEK[HEADER.FIELDS (SUBJECT)]")[1][0] for n in found]
        return {part[1].decode().strip().removeprefix("Subject: ") for part in subjects if isinstance(part, tuple)}

    def stored(self) -> set[str]:
        """Return the ids of the items whose raw mail is stored."""
        return {path.parent.name for path in self.mail_folder.glob("??/wi_*/*.eml")}

    def users(self) -> list[str]:
        async def ask(redis: RedisClient, mailstore: MailStore) -> list[str]:
            accounts = DurableState(redis, mailstore, max_events=1000).open_accounts(hasher=QUICK)
            await accounts.compare()
            found = [user.name for user in await accounts.list_users()]
            accounts.close()
            return found

        return self.do(ask)

    def redis(self) -> Any:
        return Redis.from_url(self.harness.redis_server.url)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    harness = WorkerHarness(tmp_path, settings=SETTINGS).open()
    installation = Installation(harness)
    try:
        installation.begin()
        yield installation
    finally:
        harness.close()


def test_the_loss_of_redis(installation: Installation) -> None:
    harness = installation.harness
    before = {name: installation.item(name) for name in ("changed", "plain", "poison")}
    assert before["changed"].status == "waiting"
    assert installation.steps("changed") == ["created", "status", "assignee", "fields.policy_number"]
    with installation.redis() as client:
        epoch = client.xinfo_stream(keys.FEED)["last-generated-id"].partition(b"-")[0]
    installation.marked(unmark="Letter 1")

    harness.redis_server.lose_everything()

    harness.until_read({IDS["changed"], IDS["plain"], IDS["poison"]})
    after = {name: installation.item(name) for name in before}
    for name, item in after.items():
        assert item.machine == before[name].machine
        assert int(item.submission_ref[-6:]) > max(int(each.submission_ref[-6:]) for each in before.values())
        assert (item.status, item.assignee, item.person) == ("new", None, before["plain"].person)
        assert installation.steps(name) == ["created"]
    with installation.redis() as client:
        assert client.exists(keys.gone(IDS["erased"]))
        assert [each.decode() for each in client.zrange(keys.QUARANTINE, 0, -1)] == [IDS["poison"]]
        assert client.xinfo_stream(keys.FEED)["last-generated-id"].partition(b"-")[0] != epoch
    assert installation.stored() == {IDS["changed"], IDS["plain"], IDS["poison"]}
    harness.until(lambda: harness.checkpoint() == 4, "the folder is read again from its start")
    harness.until(lambda: "Letter 1" in installation.marked(), "after-actions are made again")
    assert installation.users() == ["ada"]


def test_the_loss_of_the_mail_store(installation: Installation) -> None:
    harness = installation.harness
    before = {name: installation.item(name) for name in ("changed", "plain", "poison")}
    harness.kill_worker()
    waiting, fresh = make_mail(8), make_mail(9)
    harness.start_worker(*READERS, failpoint="put")
    harness.dovecot.seed([waiting])
    assert harness.worker is not None
    assert harness.worker.wait(PATIENCE) == -9, "the mail waits, and nobody reads it"
    shutil.rmtree(installation.mail_folder)
    harness.start_worker(*READERS)
    harness.until(lambda: "mount its disk" in harness.log.read_text(), "the worker says what it waits for")
    with installation.redis() as client:
        known = client.get(keys.STORE)
    (installation.mail_folder / ".tubepost").mkdir(parents=True)
    (installation.mail_folder / ".tubepost" / "store").write_bytes(known)

    harness.dovecot.seed([fresh])
    everything = {IDS["changed"], IDS["plain"], IDS["poison"], item_id("desk", waiting), item_id("desk", fresh)}
    harness.until_read(everything)
    assert "the mail store no longer holds this mail" in harness.items()[item_id("desk", waiting)]["reason"]
    assert {name: installation.item(name) for name in before} == before
    assert installation.steps("changed") == ["created", "status", "assignee", "fields.policy_number"]
    assert installation.stored() == {item_id("desk", fresh)}, "the checkpoint is known: old mail is not fetched again"
    harness.until(lambda: "Letter 9" in installation.marked(), "after-actions go on")
    assert installation.users() == ["ada"]
    with installation.redis() as client:
        assert client.exists(keys.gone(IDS["erased"]))
    assert not (installation.mail_folder / ".tubepost" / "gone").exists(), "old tombstones are in Redis alone from now"

    imported = subprocess.run(
        [sys.executable, str(PROJECT / "run.py"), "import", "desk", "--start", "all"],
        env={"PATH": os.environ["PATH"], "TUBEPOST_CONFIG": str(harness.config)},
        cwd=harness.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert imported.returncode == 0, imported.stderr
    assert installation.stored() == everything, "an import fetches what is still in the mailbox, and nothing erased"
    harness.kill_worker()
    for path in installation.mail_folder.glob("??/wi_*/*"):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 2 * MAX_PUT_SECONDS))
    harness.start_worker(*READERS)
    reading = installation.mail_folder / IDS["changed"][3:5] / IDS["changed"] / "reading.json"
    harness.until(reading.exists, "a worker that starts later reads it again")
    harness.until(lambda: harness.waiting() == 0, "all is read")
    assert harness.items()[item_id("desk", waiting)]["subject"] == "Letter 8"
    assert installation.item("changed").status == "waiting"
    assert installation.item("changed").person == before["changed"].person


def run(harness: WorkerHarness, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROJECT / "run.py"), *words],
        env={"PATH": os.environ["PATH"], "TUBEPOST_CONFIG": str(harness.config), **environment},
        cwd=harness.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_restore_from_a_backup(installation: Installation, tmp_path: Path) -> None:
    harness = installation.harness
    before = {name: installation.item(name) for name in ("changed", "plain", "poison")}
    steps = installation.steps("changed")
    assert run(harness, "backup", str(tmp_path / "backup")).returncode == 0

    async def work(redis: RedisClient, mailstore: MailStore) -> None:
        await ItemStore(redis, max_events=1000).change(IDS["plain"], ItemChange(status="done"), who="ann")
        accounts = DurableState(redis, mailstore, max_events=1000).open_accounts(hasher=QUICK)
        await accounts.add_user("bob", "a long password", "agent")
        accounts.close()

    installation.do(work)
    fresh = make_mail(9)
    harness.dovecot.seed([fresh])
    harness.until_read({IDS["changed"], IDS["plain"], IDS["poison"], item_id("desk", fresh)})
    given = installation.do(lambda redis, _: ItemStore(redis, max_events=1000).get(item_id("desk", fresh)))
    harness.kill_worker()
    shutil.rmtree(harness.folder / "var")
    harness.redis_server.lose_everything()
    restored = run(harness, "restore", str(tmp_path / "backup"))
    assert restored.returncode == 0, restored.stderr + restored.stdout
    assert {name: installation.item(name) for name in before} == before
    assert installation.steps("changed") == steps
    assert harness.checkpoint() == 4
    assert installation.users() == ["ada"]
    with installation.redis() as client:
        assert client.exists(keys.gone(IDS["erased"]))
        assert not client.exists(keys.FEED)
        assert [each.decode() for each in client.zrange(keys.QUARANTINE, 0, -1)] == [IDS["poison"]]
    assert IDS["erased"] in (installation.mail_folder / ".tubepost" / "gone").read_text()
    assert stat.S_IMODE((installation.mail_folder / ".tubepost" / "users").stat().st_mode) == 0o600
    assert installation.stored() == {IDS["changed"], IDS["plain"], IDS["poison"]}
    assert (installation.mail_folder / IDS["changed"][3:5] / IDS["changed"] / "reading.json").exists()
    harness.start_worker(*READERS)
    harness.until_read({IDS["changed"], IDS["plain"], IDS["poison"], item_id("desk", fresh)})
    assert {name: installation.item(name) for name in before} == before
    again = installation.do(lambda redis, _: ItemStore(redis, max_events=1000).get(item_id("desk", fresh)))
    assert again.submission_ref > given.submission_ref

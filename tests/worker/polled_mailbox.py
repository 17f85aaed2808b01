"""A mailbox in Dovecot with a poller, for tests that examine both."""

import asyncio
import imaplib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.support.dovecot import Dovecot
from worker.imap import Account
from worker.mailboxes.poller import Poller
from worker.mailboxes.watched_folder import WatchedFolder
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import FolderRecord


def open_parents(path: Path) -> Path:
    """Let Dovecot, which runs as nobody, pass through every folder above its own."""
    for folder in (path, *path.parents):
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)
        if folder.name.startswith("pytest-of"):
            break
    return path


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 20.0) -> None:
    """Wait until *condition*, which another task or program makes true, holds."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


class PolledMailbox:
    """A test's mailbox. Each instance has a new `poller`."""

    def __init__(
        self, server: Dovecot, user: str, redis: RedisClient, intake: Intake, settings: dict[str, Any]
    ) -> None:
        self.server = server
        self.user = user
        self.redis = redis
        self.password = settings.pop("password", "secret")
        self.folder_record = FolderRecord(redis, "desk")
        self.poller = Poller(
            WatchedFolder("desk", self.account, **{"start": "all", "poll_seconds": 30.0, **settings}),
            self.folder_record,
            intake,
        )

    def account(self) -> Account:
        return Account(self.server.host, self.server.port, "none", self.user, self.password)

    def seed(self, *mails: bytes, flags: str = "") -> None:
        self.server.seed(mails, user=self.user, flags=flags)

    async def waiting(self) -> list[str]:
        """Return the ids of the mails in the intake, in their order."""
        return [fields[b"id"].decode() for _, fields in await self.redis.xrange(keys.INTAKE)]

    async def record(self) -> dict[str, str]:
        found = await self.redis.hgetall(keys.mailbox("desk"))
        return {name.decode(): value.decode() for name, value in found.items()}

    def imap(self) -> imaplib.IMAP4:
        """Connect another client to the same mailbox."""
        client = imaplib.IMAP4(self.server.host, self.server.port)
        client.login(self.user, "secret")
        client.select("INBOX")
        return client

    def flags(self) -> list[str]:
        client = self.imap()
        found = [str(line) for line in client.uid("FETCH", "1:*", "(FLAGS)")[1]]
        client.logout()
        return [line.replace("\\\\Recent", "").replace(" )", ")") for line in found]


def make_mail(n: int, *, text: str = "Policy Number: AB-12345", headers: str = "") -> bytes:
    """Make an ordinary mail, a different one for each *n*."""
    return (
        f"Message-ID: <{n}@sender.example>\r\nDate: Mon, 2 Mar 2026 10:{n % 60:02}:00 +0000\r\n"
        f"From: Ann Sender <ann@sender.example>\r\nTo: desk@example.com\r\nSubject: Letter {n}\r\n"
        f"{headers}\r\n{text}\r\n"
    ).encode()

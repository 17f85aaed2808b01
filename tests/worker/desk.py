"""A mailbox in Dovecot with a poller on it, and what a test wants to know of both."""

import asyncio
import imaplib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.support.dovecot import Dovecot
from worker.imap import Account
from worker.poller import Poller
from worker.watch import Watch
from workitems import keys
from workitems.intake import Intake
from workitems.mailbox import Mailbox
from workitems.redis import Client


def let_through(place: Path) -> Path:
    """Dovecot runs as nobody: every folder above its own must let it pass."""
    for folder in (place, *place.parents):
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)
        if folder.name.startswith("pytest-of"):
            break
    return place


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 20.0) -> None:
    """Wait for what happens in another task or program."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


class Desk:
    """`poller` is new with every Desk; the mailbox is the test's."""

    def __init__(self, server: Dovecot, user: str, redis: Client, intake: Intake, settings: dict[str, Any]) -> None:
        self.server = server
        self.user = user
        self.redis = redis
        self.password = settings.pop("password", "secret")
        self.mailbox = Mailbox(redis, "desk")
        self.poller = Poller(
            Watch("desk", self.account, **{"start": "all", "poll": 30.0, **settings}), self.mailbox, intake
        )

    def account(self) -> Account:
        return Account(self.server.host, self.server.port, "none", self.user, self.password)

    def seed(self, *mails: bytes, flags: str = "") -> None:
        self.server.seed(mails, user=self.user, flags=flags)

    async def waiting(self) -> list[str]:
        """Ids of the mails in the intake, in their order."""
        return [fields[b"id"].decode() for _, fields in await self.redis.xrange(keys.INTAKE)]

    async def record(self) -> dict[str, str]:
        found = await self.redis.hgetall(keys.mailbox("desk"))
        return {name.decode(): value.decode() for name, value in found.items()}

    def imap(self) -> imaplib.IMAP4:
        """Another client of the same mailbox."""
        client = imaplib.IMAP4(self.server.host, self.server.port)
        client.login(self.user, "secret")
        client.select("INBOX")
        return client

    def flags(self) -> list[str]:
        client = self.imap()
        found = [str(line) for line in client.uid("FETCH", "1:*", "(FLAGS)")[1]]
        client.logout()
        return [line.replace("\\\\Recent", "").replace(" )", ")") for line in found]


def letter(n: int, *, text: str = "Policy Number: AB-12345", headers: str = "") -> bytes:
    """An ordinary mail, another one for every *n*."""
    return (
        f"Message-ID: <{n}@sender.example>\r\nDate: Mon, 2 Mar 2026 10:{n % 60:02}:00 +0000\r\n"
        f"From: Ann Sender <ann@sender.example>\r\nTo: desk@example.com\r\nSubject: Letter {n}\r\n"
        f"{headers}\r\n{text}\r\n"
    ).encode()

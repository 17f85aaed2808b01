"""Pollers of scripted servers, for tests of servers that behave unlike Dovecot."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.scripted_imap import ScriptedImap
from tests.worker.faulty_mailbox import FaultyMailbox, Message
from tests.worker.polled_mailbox import make_mail
from worker.mailboxes.poller import Poller
from worker.mailboxes.watched_folder import WatchedFolder
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.intake.identity import item_id
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import FolderRecord


class PollerBench:
    """Pollers of a scripted server, and what they put into the intake."""

    def __init__(self, redis: RedisClient, intake: Intake) -> None:
        self.redis = redis
        self.intake = intake
        self.pollers: list[Poller] = []

    def poller(self, server: ScriptedImap, folder: str = "INBOX", **settings: Any) -> Poller:
        watch = WatchedFolder(
            "desk", lambda: server.account, **{"folder": folder, "start": "all", "poll_seconds": 0.05, **settings}
        )
        self.pollers.append(Poller(watch, FolderRecord(self.redis, "desk", folder), self.intake))
        return self.pollers[-1]

    async def waiting(self) -> list[str]:
        return [fields[b"id"].decode() for _, fields in await self.redis.xrange(keys.INTAKE)]

    async def came(self, *numbers: int) -> bool:
        return sorted(await self.waiting()) == sorted(item_id("desk", make_mail(n)) for n in numbers)

    async def record(self, name: str) -> str:
        return (await self.redis.hget(keys.mailbox("desk"), name) or b"").decode()


def letters(*numbers: int) -> dict[int, Message]:
    return {n: Message(make_mail(n)) for n in numbers}


@dataclass(slots=True)
class Odd(FaultyMailbox):
    """A FaultyMailbox with rules: the first one that returns something answers the command."""

    rules: list[Callable[[str], tuple[list[bytes], str] | None]] = field(default_factory=list)

    def _answer(self, command: str, words: list[str]) -> tuple[list[bytes], str]:
        for rule in self.rules:
            if (answer := rule(command)) is not None:
                return answer
        return FaultyMailbox._answer(self, command, words)  # super() does not know a class with slots

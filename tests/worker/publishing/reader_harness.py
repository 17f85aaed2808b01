"""Runs readers with real children on the intake of a test."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from tests.worker.polled_mailbox import until
from worker.publishing.intake_reader import IntakeReader, ReaderLimits
from worker.publishing.sender_budgets import SenderBudgets
from worker.publishing.version_reader import READ_HEADERS, VersionReader
from worker.sandbox.pool import READ_MAIL, Sandbox
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.intake.consumer_group import ConsumerGroup
from workitems.intake.origin import MailOrigin
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore

#: The function of children that fail at poison.
POISON = "tests.faults.readers:prepare"


class ReaderHarness:
    """Runs readers on the intake of a test."""

    def __init__(self, redis: RedisClient, blocking: RedisClient, intake: Intake, mailstore: MailStore) -> None:
        self.redis, self.blocking, self.intake, self.mailstore = redis, blocking, intake, mailstore
        self.store = ItemStore(redis, max_events=1000)
        self.group = ConsumerGroup(redis)

    @asynccontextmanager
    async def reader(
        self,
        function: str = READ_MAIL,
        *,
        consumer: str = "one",
        budgets: SenderBudgets | None = None,
        **bounds: Any,
    ) -> AsyncIterator[IntakeReader]:
        first, careful = (
            Sandbox({}, size=1, spares=1, function=function),
            Sandbox({}, size=1, spares=0, function=function),
        )
        headers = Sandbox({}, size=1, spares=0, function=READ_HEADERS)
        await first.start()
        reader = IntakeReader(
            self.group, self.blocking, self.mailstore, self.store, VersionReader(first, careful, headers, budgets),
            consumer=consumer,
            limits=ReaderLimits(**{"read_seconds": 2.0, "min_idle_seconds": 60.0, "careful_mails": 1, **bounds}),
        )  # fmt: skip
        running = asyncio.create_task(reader.run())
        try:
            yield reader
        finally:
            running.cancel()
            await asyncio.wait([running])
            await reader.drain(2.0)
            await asyncio.gather(first.close(), careful.close(), headers.close())

    async def put(self, raw: bytes, **origin: Any) -> str:
        arrived = datetime(2026, 3, 2, 10, tzinfo=UTC)
        values = {"mailbox": "desk", "arrived": arrived, "source": "test", "size": len(raw), **origin}
        return (await self.intake.put(raw, MailOrigin(**values))).id

    async def until_attempted(self, item: str) -> None:
        """Wait until a counted attempt for *item* has begun."""

        async def counted() -> bool:
            return int(await self.redis.hget(keys.attempts(item), "n") or 0) > 0

        await until(counted)

    async def machine(self, item: str) -> dict[str, Any]:
        """Wait until *item* is published and no mail waits; return its machine part."""

        async def published() -> bool:
            return bool(await self.redis.exists(keys.item(item))) and not await self.intake.count_waiting()

        await until(published)
        found: dict[str, Any] = json.loads(await self.redis.hget(keys.item(item), "machine"))
        return found

"""Helpers for tests of the intake: list what waits, read it all, put lost mail again."""

from typing import Any

from tests.workitems.samples import machine, mail
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.intake import identity
from workitems.intake.consumer_group import ConsumerGroup
from workitems.intake.put import Intake
from workitems.intake.repair import put_lost_mail
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore

RAW = mail()
ID = identity.item_id("claims", RAW)


async def waiting_ids(redis: RedisClient) -> list[str]:
    return [fields[b"id"].decode() for _, fields in await redis.xrange(keys.INTAKE)]


async def read_all(redis: RedisClient, intake: Intake, mailstore: MailStore) -> None:
    """Publish every waiting mail with all its variants, as a consumer does."""
    group = ConsumerGroup(redis)
    await group.ensure_group()
    while found := await group.take(redis, "reader", count=10, block_seconds=0.01):
        for waiting in found:
            raws = [stored.sidecar.raw for stored in await mailstore.get_raw_mails(waiting.item_id)]
            await mailstore.store_reading(waiting.item_id, {}, [])
            store = ItemStore(redis, max_events=100)
            await store.publish(waiting.item_id, waiting.mailbox, machine(str(raws)), raws=raws, entry=waiting.entry_id)


async def lost(intake: Intake, **how: Any) -> int:
    return sum([count async for count in put_lost_mail(intake, **how)])

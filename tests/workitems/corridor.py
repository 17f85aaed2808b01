"""The corridor of mail as the tests of the intake walk it."""

from typing import Any

from tests.workitems.samples import machine, mail
from workitems import identity, keys
from workitems.intake import Intake
from workitems.mailstore import MailStore
from workitems.redis import Client
from workitems.store import Store

RAW = mail()
ID = identity.item_id("claims", RAW)


async def waiting_ids(redis: Client) -> list[str]:
    return [fields[b"id"].decode() for _, fields in await redis.xrange(keys.INTAKE)]


async def read_all(redis: Client, intake: Intake, mailstore: MailStore) -> None:
    """As a reader does: every mail that waits is published with all its versions."""
    await intake.open()
    while found := await intake.take(redis, "reader", count=10, seconds=0.01):
        for waiting in found:
            raws = [stored.sidecar.raw for stored in await mailstore.get(waiting.id)]
            await mailstore.put_reading(waiting.id, {}, [])
            store = Store(redis, history=100)
            await store.publish(waiting.id, waiting.mailbox, machine(str(raws)), raws=raws, entry=waiting.entry)


async def lost(intake: Intake, **how: Any) -> int:
    return sum([count async for count in intake.repair(**how)])

"""Mail that could not be read is listed, and is read again on request."""

from pathlib import Path

import pytest

from tests.workitems.intake_helpers import ID, RAW, read_all, waiting_ids
from tests.workitems.samples import IDS, machine, mail, origin
from workitems.base import keys
from workitems.base.errors import IntakeFullError, NoLongerKeptError, NotFoundError
from workitems.base.redis import RedisClient
from workitems.intake.consumer_group import ConsumerGroup
from workitems.intake.identity import fingerprint
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore
from workitems.queue.quarantine import QuarantineSize, list_quarantined, quarantine_size, retry_item
from workitems.queue.store import ItemStore


async def read_badly(redis: RedisClient, intake: Intake, store: ItemStore) -> None:
    """Publish a mail that could not be read."""
    await intake.put(RAW, origin(RAW))
    await ConsumerGroup(redis).ensure_group()
    (waiting,) = await ConsumerGroup(redis).take(redis, "reader", count=1, block_seconds=0.01)
    await store.publish(
        ID,
        "claims",
        machine("?", reason="it is odd"),
        raws=[fingerprint(RAW)],
        entry=waiting.entry_id,
        quarantined=True,
    )


async def test_an_empty_quarantine_has_no_age(redis: RedisClient) -> None:
    assert await quarantine_size(redis) == QuarantineSize(0, None)
    assert await list_quarantined(redis) == []


async def test_items_are_listed_with_reason_and_age_the_oldest_first(redis: RedisClient, store: ItemStore) -> None:
    for n in range(3):
        await store.publish(IDS[n], "claims", machine(reason=f"reason {n}"), quarantined=True)
    await store.publish(IDS[3], "claims", machine())
    await redis.zadd(keys.QUARANTINE, {IDS[2]: 1_000_000_000_000})
    found = await quarantine_size(redis)
    assert found.count == 3
    assert (found.oldest_age_seconds or 0) > 1_000_000
    page = await list_quarantined(redis)
    assert [(each.id, each.reason) for each in page] == [
        (IDS[2], "reason 2"), (IDS[0], "reason 0"), (IDS[1], "reason 1"),
    ]  # fmt: skip
    assert page[0].since == "2001-09-09T01:46:40Z"
    assert page[0].reference.endswith("000003")
    assert await list_quarantined(redis, start=1, limit=1) == page[1:2]


async def test_a_mail_waits_again_once_however_often_a_retry_is_requested(
    redis: RedisClient, intake: Intake, store: ItemStore, mailstore: MailStore
) -> None:
    await read_badly(redis, intake, store)
    assert await retry_item(redis, mailstore, ID, max_waiting=10)
    assert not await retry_item(redis, mailstore, ID, max_waiting=10)
    assert await waiting_ids(redis) == [ID]
    assert await ConsumerGroup(redis).get_attempts(ID) == 0


async def test_reading_it_again_renews_the_item_and_removes_it_from_quarantine(
    redis: RedisClient, intake: Intake, store: ItemStore, mailstore: MailStore
) -> None:
    await read_badly(redis, intake, store)
    before = await store.get(ID)
    await retry_item(redis, mailstore, ID, max_waiting=10)
    await read_all(redis, intake, mailstore)
    assert (await store.get(ID)).reading_number == before.reading_number + 1
    assert await quarantine_size(redis) == QuarantineSize(0, None)
    assert await waiting_ids(redis) == []
    assert not await store.is_waiting(ID)


async def test_a_variant_that_comes_while_it_waits_is_still_counted_once(
    redis: RedisClient, intake: Intake, store: ItemStore, mailstore: MailStore
) -> None:
    await read_badly(redis, intake, store)
    await retry_item(redis, mailstore, ID, max_waiting=10)
    assert (await intake.put(RAW, origin(RAW))).outcome == "duplicate"
    other = mail(body="Other bytes.")
    assert (await intake.put(other, origin(other))).outcome == "variant"


async def test_an_item_without_raw_mail_cannot_be_read_again(
    redis: RedisClient, intake: Intake, store: ItemStore, mailstore: MailStore, tmp_path: Path
) -> None:
    await store.publish(IDS[0], "claims", machine())
    for unknown in IDS[:2]:
        with pytest.raises(NotFoundError):
            await retry_item(redis, mailstore, unknown, max_waiting=10)
    await read_badly(redis, intake, store)
    (await mailstore.raw_path(ID)).unlink()
    with pytest.raises(NoLongerKeptError):
        await retry_item(redis, mailstore, ID, max_waiting=10)
    assert await waiting_ids(redis) == []


async def test_a_full_intake_refuses(
    redis: RedisClient, intake: Intake, store: ItemStore, mailstore: MailStore
) -> None:
    await read_badly(redis, intake, store)
    other = mail("<other>")
    await intake.put(other, origin(other))
    with pytest.raises(IntakeFullError):
        await retry_item(redis, mailstore, ID, max_waiting=1)

"""What could not be read is listed, and is read again when somebody asks for it."""

from pathlib import Path

import pytest

from tests.workitems.corridor import ID, RAW, read_all, waiting_ids
from tests.workitems.samples import IDS, machine, mail, origin
from workitems import keys
from workitems.errors import IntakeFullError, NoLongerKeptError, NotFoundError
from workitems.identity import fingerprint
from workitems.intake import Intake
from workitems.mailstore import MailStore
from workitems.quarantine import Quarantine, quarantine, quarantined, retry
from workitems.redis import Client
from workitems.store import Store


async def read_badly(redis: Client, intake: Intake, store: Store) -> None:
    """A mail that came and could not be read as it should."""
    await intake.put(RAW, origin(RAW))
    await intake.open()
    (waiting,) = await intake.take(redis, "reader", count=1, seconds=0.01)
    await store.publish(
        ID, "claims", machine("?", reason="it is odd"), raws=[fingerprint(RAW)], entry=waiting.entry, quarantined=True
    )


async def test_nothing_in_it_has_no_age(redis: Client) -> None:
    assert await quarantine(redis) == Quarantine(0, None)
    assert await quarantined(redis) == []


async def test_items_are_listed_with_reason_and_age_the_oldest_first(redis: Client, store: Store) -> None:
    for n in range(3):
        await store.publish(IDS[n], "claims", machine(reason=f"reason {n}"), quarantined=True)
    await store.publish(IDS[3], "claims", machine())
    await redis.zadd(keys.QUARANTINE, {IDS[2]: 1_000_000_000_000})
    found = await quarantine(redis)
    assert found.count == 3
    assert (found.oldest or 0) > 1_000_000
    page = await quarantined(redis)
    assert [(each.id, each.reason) for each in page] == [
        (IDS[2], "reason 2"), (IDS[0], "reason 0"), (IDS[1], "reason 1"),
    ]  # fmt: skip
    assert page[0].since == "2001-09-09T01:46:40Z"
    assert page[0].reference.endswith("000003")
    assert await quarantined(redis, start=1, limit=1) == page[1:2]


async def test_a_mail_waits_again_once_however_often_it_is_asked_for(
    redis: Client, intake: Intake, store: Store, mailstore: MailStore
) -> None:
    await read_badly(redis, intake, store)
    assert await retry(redis, mailstore, ID, most=10)
    assert not await retry(redis, mailstore, ID, most=10)
    assert await waiting_ids(redis) == [ID]
    assert await intake.tries(ID) == 0


async def test_reading_it_again_renews_the_item_and_takes_it_out(
    redis: Client, intake: Intake, store: Store, mailstore: MailStore
) -> None:
    await read_badly(redis, intake, store)
    before = await store.get(ID)
    await retry(redis, mailstore, ID, most=10)
    await read_all(redis, intake, mailstore)
    assert (await store.get(ID)).reading == before.reading + 1
    assert await quarantine(redis) == Quarantine(0, None)
    assert await waiting_ids(redis) == []
    assert not await store.is_waiting(ID)


async def test_a_variant_that_comes_while_it_waits_is_still_counted_once(
    redis: Client, intake: Intake, store: Store, mailstore: MailStore
) -> None:
    await read_badly(redis, intake, store)
    await retry(redis, mailstore, ID, most=10)
    assert (await intake.put(RAW, origin(RAW))).outcome == "duplicate"
    other = mail(body="Other bytes.")
    assert (await intake.put(other, origin(other))).outcome == "variant"


async def test_what_has_no_raw_mail_cannot_be_read_again(
    redis: Client, intake: Intake, store: Store, mailstore: MailStore, tmp_path: Path
) -> None:
    await store.publish(IDS[0], "claims", machine())
    for unknown in IDS[:2]:
        with pytest.raises(NotFoundError):
            await retry(redis, mailstore, unknown, most=10)
    await read_badly(redis, intake, store)
    (await mailstore.raw(ID)).unlink()
    with pytest.raises(NoLongerKeptError):
        await retry(redis, mailstore, ID, most=10)
    assert await waiting_ids(redis) == []


async def test_a_full_intake_refuses(redis: Client, intake: Intake, store: Store, mailstore: MailStore) -> None:
    await read_badly(redis, intake, store)
    other = mail("<other>")
    await intake.put(other, origin(other))
    with pytest.raises(IntakeFullError):
        await retry(redis, mailstore, ID, most=1)

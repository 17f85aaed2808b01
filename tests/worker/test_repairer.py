"""Stored mail that Redis does not know is put again: at the start, and whenever Redis is another one."""

from datetime import UTC, datetime

import pytest

from tests.worker.desk import letter
from worker import repairer
from worker.repairer import Repairer
from workitems import keys
from workitems.identity import fingerprint, item_id
from workitems.intake import Intake, Origin
from workitems.mailstore import MailStore
from workitems.redis import Client
from workitems.sidecar import Sidecar


async def _store_only(mailstore: MailStore, raw: bytes) -> str:
    """As a worker that was killed between the disk and Redis."""
    item = item_id("desk", raw)
    await mailstore.put(Sidecar(item, "desk", fingerprint(raw), "2026-03-02T10:00:00Z", "imap", len(raw)), raw)
    return item


async def test_mail_that_was_stored_and_not_put_is_put_once(
    redis: Client, intake: Intake, mailstore: MailStore
) -> None:
    item = await _store_only(mailstore, letter(1))
    known = await intake.put(letter(2), Origin("desk", datetime.now(UTC), "test", 10))
    repair = Repairer(redis, intake)
    assert await repair.repair_once()
    assert not await repair.repair_once(), "there is no reason to do it again"
    found = [fields[b"id"].decode() for _, fields in await redis.xrange(keys.INTAKE)]
    assert found == [known.id, item]


async def test_a_put_that_may_be_under_way_is_left_alone(redis: Client, intake: Intake, mailstore: MailStore) -> None:
    await Repairer(redis, intake).repair_once()
    await _store_only(mailstore, letter(1))
    await Repairer(redis, intake).repair_once()  # a worker that starts beside another one
    assert await redis.xlen(keys.INTAKE) == 0


async def test_a_redis_that_started_anew_is_compared_wholly(
    redis: Client, intake: Intake, mailstore: MailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    repair = Repairer(redis, intake)
    await repair.repair_once()
    await _store_only(mailstore, letter(1))

    async def another(_redis: Client) -> str:
        return "another"

    monkeypatch.setattr(repairer, "run_id", another)
    assert await repair.repair_once()
    assert await redis.xlen(keys.INTAKE) == 1


async def test_a_variant_whose_entry_was_lost_is_put_again(redis: Client, intake: Intake, mailstore: MailStore) -> None:
    item = await _store_only(mailstore, letter(1))
    await redis.hset(keys.item(item), mapping={"raws": fingerprint(letter(1))})
    other = letter(1, text="other bytes")
    assert await _store_only(mailstore, other) == item
    await Repairer(redis, intake).repair_once()
    ((_, entry),) = await redis.xrange(keys.INTAKE)
    assert entry[b"raw"].decode() == fingerprint(other)


async def test_a_sidecar_that_is_broken_does_not_hide_the_others(
    redis: Client, intake: Intake, mailstore: MailStore
) -> None:
    item = await _store_only(mailstore, letter(1))
    (shard,) = await mailstore.shards()
    (shard / item / ("0" * 32 + ".json")).write_bytes(b"{")
    await Repairer(redis, intake).repair_once()
    assert await redis.xlen(keys.INTAKE) == 1

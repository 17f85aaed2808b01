"""Repair puts again only mail that lost both its intake entry and its item."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.redis_server import RedisServer
from tests.workitems.intake_helpers import ID, RAW, lost, read_all, waiting_ids
from tests.workitems.lossy_proxy import LossyProxy
from tests.workitems.samples import mail, origin
from workitems.base import keys
from workitems.base.errors import IntakeFullError, NotFoundError, StoreUnavailableError
from workitems.base.redis import RedisClient
from workitems.intake import identity
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import Checkpoint, FolderRecord
from workitems.mailstore.sidecar import Sidecar
from workitems.mailstore.store import MailStore

ClientOf = Callable[..., RedisClient]


async def test_repair_puts_again_only_mail_that_has_neither_entry_nor_item(
    intake: Intake, redis: RedisClient, mailstore: MailStore
) -> None:
    raws = [mail(f"<{n}>") for n in range(4)]
    ids = [(await intake.put(raw, origin(raw))).id for raw in raws]
    assert await lost(intake) == 0
    await read_all(redis, intake, mailstore)  # all four are items
    waiting = mail("<waits>")
    await intake.put(waiting, origin(waiting))
    await redis.delete(keys.item(ids[0]))
    await redis.delete(keys.item(ids[1]))
    await redis.set(keys.gone(ids[1]), "1")
    assert await lost(intake) == 1
    assert sorted(await waiting_ids(redis)) == sorted([ids[0], identity.item_id("claims", waiting)])
    assert await lost(intake) == 0


async def test_after_a_total_loss_every_mail_waits_again_and_the_checkpoint_stays_where_the_poller_puts_it(
    intake: Intake, redis: RedisClient, mailstore: MailStore
) -> None:
    await FolderRecord(redis, "claims").set_checkpoint(Checkpoint(7, 2))
    ids = set()
    for uid in range(3, 9):
        raw = mail(f"<{uid}>")
        ids.add((await intake.put(raw, origin(raw, uidvalidity=7, uid=uid))).id)
    await redis.flushall()
    await FolderRecord(redis, "claims").set_checkpoint(Checkpoint(7, 0))
    assert await lost(intake) == 6
    assert set(await waiting_ids(redis)) == ids
    assert await FolderRecord(redis, "claims").checkpoint() == Checkpoint(7, 0)


async def test_a_variant_that_was_lost_is_put_again(intake: Intake, redis: RedisClient, mailstore: MailStore) -> None:
    await intake.put(RAW, origin(RAW))
    await read_all(redis, intake, mailstore)
    other = mail(body="Later.")
    before = await redis.hget(keys.item(ID), "raws")
    await intake.put(other, origin(other))
    await read_all(redis, intake, mailstore)
    await redis.hset(keys.item(ID), "raws", before)
    assert await lost(intake) == 1
    assert await waiting_ids(redis) == [ID]


async def test_repair_leaves_a_put_that_is_in_progress(intake: Intake, redis: RedisClient) -> None:
    await intake.put(RAW, origin(RAW))
    await redis.flushall()
    assert await lost(intake, older_than=60) == 0
    assert await lost(intake) == 1


async def test_after_a_truncated_append_only_file_the_last_mail_waits_again(
    own_redis: RedisServer, client_of: ClientOf, tmp_path: Path
) -> None:
    mailstore = MailStore(tmp_path / "mail")
    intake = Intake(client_of(own_redis.url), mailstore, max_waiting=50)
    for n in range(3):
        raw = mail(f"<{n}>")
        await intake.put(raw, origin(raw))
    own_redis.kill()
    file = own_redis.append_only_files[-1]
    file.write_bytes(file.read_bytes()[:-20])
    own_redis.start()
    redis = client_of(own_redis.url)
    intake = Intake(redis, mailstore, max_waiting=50)
    assert await intake.count_waiting() == 2
    assert await lost(intake) == 1
    assert len(set(await waiting_ids(redis))) == 3
    mailstore.close()


async def test_a_full_intake_stops_a_repair_and_it_continues_later(redis: RedisClient, mailstore: MailStore) -> None:
    wide = Intake(redis, mailstore, max_waiting=50)
    for n in range(6):
        raw = mail(f"<{n}>")
        await wide.put(raw, origin(raw))
    await redis.flushall()
    narrow = Intake(redis, mailstore, max_waiting=4)
    with pytest.raises(IntakeFullError):
        await lost(narrow)
    assert await narrow.count_waiting() == 4
    await read_all(redis, narrow, mailstore)
    await lost(narrow)
    await read_all(redis, narrow, mailstore)
    assert await redis.zcard(keys.items()) == 6
    assert await lost(narrow) == 0


async def test_mail_whose_reading_was_lost_in_a_power_failure_is_read_again(
    intake: Intake, redis: RedisClient, mailstore: MailStore, tmp_path: Path
) -> None:
    ids = [(await intake.put(raw, origin(raw))).id for raw in (mail(f"<{n}>") for n in range(3))]
    await read_all(redis, intake, mailstore)
    assert await lost(intake) == 0
    for item_id in ids[:2]:
        (tmp_path / "mail" / item_id[3:5] / item_id / "reading.json").write_bytes(b'{"text":"cut o')
    await redis.set(keys.gone(ids[1]), "1")
    assert await lost(intake, older_than=60) == 0, "it may just be on its way"
    assert await lost(intake) == 1
    assert await waiting_ids(redis) == ids[:1]
    assert await lost(intake) == 0, "it waits already"
    await read_all(redis, intake, mailstore)
    assert await mailstore.get_reading(ids[0]) == {}
    assert await lost(intake) == 0


async def _store(mailstore: MailStore, raw: bytes, item_id: str = ID) -> Sidecar:
    """Store a mail without its put, as a process that ends too early does."""
    sidecar = origin(raw).sidecar(item_id, identity.fingerprint(raw))
    await mailstore.store(sidecar, raw)
    return sidecar


@pytest.mark.parametrize("are_read", [False, True])
async def test_a_variant_too_many_for_its_item_is_put_once_under_its_own_id(
    intake: Intake, redis: RedisClient, mailstore: MailStore, are_read: bool
) -> None:
    for n in range(9):
        raw = mail(body=f"Body {n}")
        await intake.put(raw, origin(raw))
    if are_read:
        await read_all(redis, intake, mailstore)
    late = [mail(body=f"Body {n}") for n in (9, 10)]
    for raw in late:
        await _store(mailstore, raw)
    assert await lost(intake) == 2
    assert await lost(intake) == 0
    ids = [identity.item_id_from_raw("claims", raw) for raw in late]
    assert (await waiting_ids(redis))[-2:] in (ids, ids[::-1])
    assert [(await mailstore.get_raw_mails(item_id))[0].raw for item_id in ids] == late
    assert len(await mailstore.get_raw_mails(ID)) == 9
    assert [(await intake.put(raw, origin(raw))).outcome for raw in late] == ["duplicate"] * 2
    await read_all(redis, intake, mailstore)
    assert await redis.zcard(keys.items()) == 3
    assert await lost(intake) == 0


async def test_the_next_repair_removes_old_files_that_an_ended_one_left(
    intake: Intake, redis: RedisClient, mailstore: MailStore
) -> None:
    for n in range(9):
        raw = mail(body=f"Body {n}")
        await intake.put(raw, origin(raw))
    raw = mail(body="Body 9")
    own_id = identity.item_id_from_raw("claims", raw)
    await _store(mailstore, raw)
    await _store(mailstore, raw, own_id)  # as if the intake had been full after it
    assert await lost(intake) == 1
    assert len(await mailstore.get_raw_mails(ID)) == 9
    assert (await waiting_ids(redis)).count(own_id) == 1
    assert await lost(intake) == 0


async def test_a_variant_whose_own_item_was_removed_leaves_no_files(
    intake: Intake, redis: RedisClient, mailstore: MailStore
) -> None:
    for n in range(9):
        raw = mail(body=f"Body {n}")
        await intake.put(raw, origin(raw))
    raw = mail(body="Body 9")
    await _store(mailstore, raw)
    await redis.set(keys.gone(identity.item_id_from_raw("claims", raw)), "1")
    assert await lost(intake) == 0
    assert len(await mailstore.get_raw_mails(ID)) == 9
    with pytest.raises(NotFoundError):
        await mailstore.get_raw_mails(identity.item_id_from_raw("claims", raw))


async def test_a_variant_too_many_without_its_raw_mail_is_left_alone(
    intake: Intake, redis: RedisClient, mailstore: MailStore
) -> None:
    for n in range(9):
        raw = mail(body=f"Body {n}")
        await intake.put(raw, origin(raw))
    sidecar = await _store(mailstore, mail(body="Body 9"))
    (await mailstore.variant_path(sidecar)).unlink()
    assert await lost(intake) == 0
    assert len(await mailstore.all_sidecars(ID)) == 10


async def test_other_bytes_of_a_mail_that_is_no_longer_kept_are_not_counted_as_put(
    intake: Intake, redis: RedisClient, mailstore: MailStore
) -> None:
    await intake.put(RAW, origin(RAW))
    await read_all(redis, intake, mailstore)
    await redis.hset(keys.item(ID), "kept", "0")
    await _store(mailstore, mail(body="Other bytes."))
    assert await lost(intake) == 0
    assert await intake.count_waiting() == 0


async def test_a_repeated_put_whose_answer_was_lost_is_done_once(
    own_redis: RedisServer, client_of: ClientOf, mailstore: MailStore
) -> None:
    raws = [mail(f"<{n}>") for n in range(3)]
    for raw in raws:
        await _store(mailstore, raw, identity.item_id("claims", raw))
    async with LossyProxy(own_redis) as way:
        intake = Intake(client_of(way.url), mailstore, max_waiting=50)
        way.lose = b"max_waiting"
        with pytest.raises(StoreUnavailableError):
            await lost(intake)
        way.lose = None
        await lost(intake)
        assert await lost(intake) == 0
        assert sorted(await waiting_ids(intake.redis)) == sorted(identity.item_id("claims", raw) for raw in raws)
        await intake.redis.aclose()


async def test_the_files_of_a_removed_item_are_removed(
    intake: Intake, redis: RedisClient, mailstore: MailStore
) -> None:
    await _store(mailstore, RAW)
    await redis.set(keys.gone(ID), "1")
    assert await lost(intake) == 0
    with pytest.raises(NotFoundError):
        await mailstore.get_raw_mails(ID)


async def test_more_mail_than_one_round_trip_compares_is_put_again(redis: RedisClient, mailstore: MailStore) -> None:
    intake = Intake(redis, mailstore, max_waiting=500)
    ids = ["wi_aa" + f"{n:024d}".translate(str.maketrans("0189", "wxyz")) for n in range(210)]
    raws = [mail(f"<{n}>") for n in range(210)]
    await mailstore.store_all(
        [(origin(raw).sidecar(each, identity.fingerprint(raw)), raw) for each, raw in zip(ids, raws, strict=True)]
    )
    assert await lost(intake) == 210
    assert await waiting_ids(redis) == sorted(ids)


async def test_a_mail_that_was_withdrawn_does_not_come_back(
    intake: Intake, redis: RedisClient, mailstore: MailStore
) -> None:
    await _store(mailstore, RAW)
    await intake.withdraw(ID, identity.fingerprint(RAW), origin(RAW))
    await intake.withdraw(ID, identity.fingerprint(RAW), origin(RAW))
    with pytest.raises(NotFoundError):
        await mailstore.get_raw_mails(ID)
    assert await lost(intake) == 0


async def test_a_mail_that_waits_or_was_read_is_not_withdrawn(
    intake: Intake, redis: RedisClient, mailstore: MailStore
) -> None:
    await intake.put(RAW, origin(RAW))
    for _ in ("it waits", "it was read"):
        await intake.withdraw(ID, identity.fingerprint(RAW), origin(RAW))
        assert len(await mailstore.get_raw_mails(ID)) == 1
        await read_all(redis, intake, mailstore)

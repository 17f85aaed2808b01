"""What lost both its waiting entry and its item is put again, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.redis_server import RedisServer
from tests.workitems.corridor import ID, RAW, lost, read_all, waiting_ids
from tests.workitems.samples import mail, origin
from workitems import identity, keys
from workitems.errors import IntakeFullError
from workitems.intake import Intake
from workitems.mailbox import Checkpoint, Mailbox
from workitems.mailstore import MailStore
from workitems.redis import Client

ClientOf = Callable[..., Client]


async def test_repair_puts_again_what_lost_everything_and_nothing_else(
    intake: Intake, redis: Client, mailstore: MailStore
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
    intake: Intake, redis: Client, mailstore: MailStore
) -> None:
    await Mailbox(redis, "claims").begin(Checkpoint(7, 2))
    ids = set()
    for uid in range(3, 9):
        raw = mail(f"<{uid}>")
        ids.add((await intake.put(raw, origin(raw, uidvalidity=7, uid=uid))).id)
    await redis.flushall()
    await Mailbox(redis, "claims").begin(Checkpoint(7, 0))
    assert await lost(intake) == 6
    assert set(await waiting_ids(redis)) == ids
    assert await Mailbox(redis, "claims").checkpoint() == Checkpoint(7, 0)


async def test_a_variant_that_was_lost_is_put_again(intake: Intake, redis: Client, mailstore: MailStore) -> None:
    await intake.put(RAW, origin(RAW))
    await read_all(redis, intake, mailstore)
    other = mail(body="Later.")
    before = await redis.hget(keys.item(ID), "raws")
    await intake.put(other, origin(other))
    await read_all(redis, intake, mailstore)
    await redis.hset(keys.item(ID), "raws", before)
    assert await lost(intake) == 1
    assert await waiting_ids(redis) == [ID]


async def test_repair_leaves_a_put_that_is_under_way(intake: Intake, redis: Client) -> None:
    await intake.put(RAW, origin(RAW))
    await redis.flushall()
    assert await lost(intake, older_than=60) == 0
    assert await lost(intake) == 1


async def test_after_a_cut_the_mail_that_was_put_last_waits_again(
    own_redis: RedisServer, client_of: ClientOf, tmp_path: Path
) -> None:
    mailstore = MailStore(tmp_path / "mail")
    intake = Intake(client_of(own_redis.url), mailstore, most=50)
    for n in range(3):
        raw = mail(f"<{n}>")
        await intake.put(raw, origin(raw))
    own_redis.kill()
    file = own_redis.append_only_files[-1]
    file.write_bytes(file.read_bytes()[:-20])
    own_redis.start()
    redis = client_of(own_redis.url)
    intake = Intake(redis, mailstore, most=50)
    assert await intake.waiting() == 2
    assert await lost(intake) == 1
    assert len(set(await waiting_ids(redis))) == 3
    mailstore.close()


async def test_a_full_intake_stops_a_repair_and_it_goes_on_later(redis: Client, mailstore: MailStore) -> None:
    wide = Intake(redis, mailstore, most=50)
    for n in range(6):
        raw = mail(f"<{n}>")
        await wide.put(raw, origin(raw))
    await redis.flushall()
    narrow = Intake(redis, mailstore, most=4)
    with pytest.raises(IntakeFullError):
        await lost(narrow)
    assert await narrow.waiting() == 4
    await read_all(redis, narrow, mailstore)
    await lost(narrow)
    await read_all(redis, narrow, mailstore)
    assert await redis.zcard(keys.items()) == 6
    assert await lost(narrow) == 0


async def test_mail_whose_reading_a_power_cut_took_is_read_again(
    intake: Intake, redis: Client, mailstore: MailStore, tmp_path: Path
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

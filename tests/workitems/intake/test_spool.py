"""Mail that arrives in pieces has the same guarantees as mail that is put whole."""

import asyncio
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.workitems.intake_helpers import waiting_ids
from tests.workitems.samples import mail
from workitems.base.errors import IntakeFullError, NotFoundError, StoreUnavailableError
from workitems.base.redis import RedisClient
from workitems.intake import identity
from workitems.intake.identity import HEADER_LIMIT
from workitems.intake.origin import MailOrigin
from workitems.intake.put import Intake, PutResult
from workitems.intake.repair import put_lost_mail
from workitems.intake.spool import LEFTOVER_AGE_SECONDS, Spool, SpooledMail, SpoolFile, sweep
from workitems.mailstore.store import MailStore

RAW = mail()
NAMELESS = b"From: printer@example.com\r\nSubject: scan\r\n\r\n" + b"x" * (2 * HEADER_LIMIT)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "mail")
    yield spool
    spool.close()


def origin(size: int, mailbox: str = "claims") -> MailOrigin:
    return MailOrigin(mailbox=mailbox, arrived=datetime.now(UTC), source="http", size=size)


async def arrived(spool: Spool, raw: bytes, piece: int = 7) -> tuple[SpoolFile, SpooledMail]:
    draft = await spool.create_file()
    for start in range(0, len(raw), piece):
        await spool.run_in_thread(draft.write, raw[start : start + piece])
    return draft, await spool.run_in_thread(draft.seal)


async def put(intake: Intake, spool: Spool, raw: bytes, piece: int = 7) -> PutResult:
    draft, whole = await arrived(spool, raw, piece)
    try:
        return await intake.put_file(whole.path, origin(whole.size), head=whole.head, fingerprint=whole.fingerprint)
    finally:
        await spool.run_in_thread(draft.discard)


@pytest.mark.parametrize("raw", [RAW, NAMELESS])
async def test_in_pieces_and_whole_it_is_the_same_mail(
    intake: Intake, mailstore: MailStore, spool: Spool, redis: RedisClient, raw: bytes
) -> None:
    first = await put(intake, spool, raw, 10_000)
    assert first == PutResult(identity.item_id("claims", raw), "new")
    assert (await intake.put(raw, origin(len(raw)))).outcome == "duplicate"
    (stored,) = await mailstore.get_raw_mails(first.id)
    assert stored.raw == raw
    assert stored.sidecar.raw == identity.fingerprint(raw)
    assert stored.sidecar.size == len(raw)
    assert await waiting_ids(redis) == [first.id]
    assert list(spool.folder.iterdir()) == []


async def test_a_mail_that_was_put_whole_is_a_duplicate_in_pieces(
    intake: Intake, spool: Spool, mailstore: MailStore
) -> None:
    receipt = await intake.put(RAW, origin(len(RAW)))
    assert await put(intake, spool, RAW) == PutResult(receipt.id, "duplicate")
    assert len(await mailstore.get_raw_mails(receipt.id)) == 1


async def test_other_bytes_are_a_variant_and_too_many_of_them_items_of_their_own(intake: Intake, spool: Spool) -> None:
    outcomes = [await put(intake, spool, RAW + b"%d" % n) for n in range(10)]
    assert [receipt.outcome for receipt in outcomes] == ["new", *["variant"] * 8, "new"]
    last = RAW + b"9"
    assert outcomes[-1].id == identity.item_id_from_raw("claims", last)


async def test_a_full_intake_refuses_and_mail_that_only_we_can_put_may_be_withdrawn(
    redis: RedisClient, mailstore: MailStore, spool: Spool
) -> None:
    intake = Intake(redis, mailstore, max_waiting=1)
    await intake.put(RAW, origin(len(RAW)))
    with pytest.raises(IntakeFullError):
        await put(intake, spool, NAMELESS, 100_000)
    refused = identity.item_id("claims", NAMELESS)
    assert len(await mailstore.get_raw_mails(refused)) == 1
    await intake.withdraw(refused, identity.fingerprint(NAMELESS), origin(len(NAMELESS)))
    with pytest.raises(NotFoundError):
        await mailstore.get_raw_mails(refused)


async def test_mail_that_redis_knows_is_not_withdrawn(intake: Intake, mailstore: MailStore) -> None:
    receipt = await intake.put(RAW, origin(len(RAW)))
    await intake.withdraw(receipt.id, identity.fingerprint(RAW), origin(len(RAW)))
    assert (await mailstore.get_raw_mails(receipt.id))[0].raw == RAW


async def test_a_discarded_spool_file_accepts_no_more_and_leaves_nothing(spool: Spool) -> None:
    draft = await spool.create_file()
    await spool.run_in_thread(draft.write, b"some")
    spool.discard_later(draft)
    async with asyncio.timeout(5):
        while draft.path.exists():
            await asyncio.sleep(0.005)
    await spool.run_in_thread(draft.write, b"more")
    await spool.run_in_thread(draft.discard)
    assert draft.size == 4
    assert list(spool.folder.iterdir()) == []


async def test_only_the_files_of_a_killed_process_are_removed(spool: Spool) -> None:
    await spool.run_in_thread((await spool.create_file()).discard)
    old, young = spool.path(), spool.path()
    for path in (old, young):
        path.write_bytes(b"half a mail")
    os.utime(old, times=(time.time() - LEFTOVER_AGE_SECONDS - 1,) * 2)
    assert sweep(spool.folder) == 1
    assert not old.exists()
    assert young.exists()


async def test_a_disk_that_cannot_be_written_makes_the_store_unavailable(tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(b"")
    spool = Spool(tmp_path / "mail")
    with pytest.raises(StoreUnavailableError):
        await spool.create_file()
    spool.close()


async def test_repair_does_not_take_the_spool_folder_for_mail(intake: Intake, spool: Spool) -> None:
    draft, _ = await arrived(spool, RAW)
    assert [count async for count in put_lost_mail(intake)] == [0]
    await spool.run_in_thread(draft.discard)

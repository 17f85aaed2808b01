"""Mail that arrives in pieces: the same mail, the same guarantees as one that is put whole."""

import asyncio
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.workitems.corridor import waiting_ids
from tests.workitems.samples import mail
from workitems import identity
from workitems.errors import IntakeFullError, NotFoundError, StoreUnavailableError
from workitems.identity import HEADER_LIMIT
from workitems.incoming import LEFT_BEHIND, Arrived, Draft, Spool, sweep
from workitems.intake import Intake, Origin, Receipt
from workitems.mailstore import MailStore
from workitems.redis import Client

RAW = mail()
NAMELESS = b"From: printer@example.com\r\nSubject: scan\r\n\r\n" + b"x" * (2 * HEADER_LIMIT)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "mail")
    yield spool
    spool.close()


def origin(size: int, mailbox: str = "claims") -> Origin:
    return Origin(mailbox=mailbox, arrived=datetime.now(UTC), source="http", size=size)


async def arrived(spool: Spool, raw: bytes, piece: int = 7) -> tuple[Draft, Arrived]:
    draft = await spool.draft()
    for start in range(0, len(raw), piece):
        await spool.run(draft.write, raw[start : start + piece])
    return draft, await spool.run(draft.seal)


async def put(intake: Intake, spool: Spool, raw: bytes, piece: int = 7) -> Receipt:
    draft, whole = await arrived(spool, raw, piece)
    try:
        return await intake.put_file(whole.path, origin(whole.size), head=whole.head, fingerprint=whole.fingerprint)
    finally:
        await spool.run(draft.discard)


@pytest.mark.parametrize("raw", [RAW, NAMELESS])
async def test_in_pieces_and_whole_it_is_the_same_mail(
    intake: Intake, mailstore: MailStore, spool: Spool, redis: Client, raw: bytes
) -> None:
    first = await put(intake, spool, raw, 10_000)
    assert first == Receipt(identity.item_id("claims", raw), "new")
    assert (await intake.put(raw, origin(len(raw)))).outcome == "duplicate"
    (stored,) = await mailstore.get(first.id)
    assert stored.raw == raw
    assert stored.sidecar.raw == identity.fingerprint(raw)
    assert stored.sidecar.size == len(raw)
    assert await waiting_ids(redis) == [first.id]
    assert list(spool.folder.iterdir()) == []


async def test_a_mail_that_was_put_whole_is_a_duplicate_in_pieces(
    intake: Intake, spool: Spool, mailstore: MailStore
) -> None:
    receipt = await intake.put(RAW, origin(len(RAW)))
    assert await put(intake, spool, RAW) == Receipt(receipt.id, "duplicate")
    assert len(await mailstore.get(receipt.id)) == 1


async def test_other_bytes_are_a_variant_and_too_many_of_them_items_of_their_own(intake: Intake, spool: Spool) -> None:
    outcomes = [await put(intake, spool, RAW + b"%d" % n) for n in range(10)]
    assert [receipt.outcome for receipt in outcomes] == ["new", *["variant"] * 8, "new"]
    last = RAW + b"9"
    assert outcomes[-1].id == identity.whole_id("claims", last)


async def test_a_full_intake_refuses_and_what_nobody_else_can_put_may_be_taken_back(
    redis: Client, mailstore: MailStore, spool: Spool
) -> None:
    intake = Intake(redis, mailstore, most=1)
    await intake.put(RAW, origin(len(RAW)))
    with pytest.raises(IntakeFullError):
        await put(intake, spool, NAMELESS, 100_000)
    refused = identity.item_id("claims", NAMELESS)
    assert len(await mailstore.get(refused)) == 1
    await intake.withdraw(refused, identity.fingerprint(NAMELESS), origin(len(NAMELESS)))
    with pytest.raises(NotFoundError):
        await mailstore.get(refused)


async def test_what_redis_knows_of_is_not_taken_back(intake: Intake, mailstore: MailStore) -> None:
    receipt = await intake.put(RAW, origin(len(RAW)))
    await intake.withdraw(receipt.id, identity.fingerprint(RAW), origin(len(RAW)))
    assert (await mailstore.get(receipt.id))[0].raw == RAW


async def test_a_draft_that_was_discarded_takes_no_more_and_leaves_nothing(spool: Spool) -> None:
    draft = await spool.draft()
    await spool.run(draft.write, b"some")
    spool.forget(draft)
    async with asyncio.timeout(5):
        while draft.path.exists():
            await asyncio.sleep(0.005)
    await spool.run(draft.write, b"more")
    await spool.run(draft.discard)
    assert draft.size == 4
    assert list(spool.folder.iterdir()) == []


async def test_what_a_killed_process_left_is_swept_away_and_nothing_else(spool: Spool) -> None:
    await spool.run((await spool.draft()).discard)
    old, young = spool.path(), spool.path()
    for path in (old, young):
        path.write_bytes(b"half a mail")
    os.utime(old, times=(time.time() - LEFT_BEHIND - 1,) * 2)
    assert sweep(spool.folder) == 1
    assert not old.exists()
    assert young.exists()


async def test_a_disk_that_cannot_be_written_is_a_store_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(b"")
    spool = Spool(tmp_path / "mail")
    with pytest.raises(StoreUnavailableError):
        await spool.draft()
    spool.close()


async def test_the_folder_of_drafts_is_no_mail_to_be_put_again(intake: Intake, spool: Spool) -> None:
    draft, _ = await arrived(spool, RAW)
    assert [count async for count in intake.repair()] == [0]
    await spool.run(draft.discard)

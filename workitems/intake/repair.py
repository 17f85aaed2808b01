"""Puts stored mail again whose waiting entry or item was lost, and completes the indexes of the items that are left."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from workitems.base import keys
from workitems.base.errors import DecodeError, NotFoundError
from workitems.base.redis import RedisClient, translating_errors
from workitems.feed.feed import run_id
from workitems.intake.entries import WaitingEntries, enter_again
from workitems.intake.put import Intake
from workitems.mailstore.sidecar import Sidecar
from workitems.queue.quarantine import retry_item
from workitems.queue.reindex import ItemLinks, relink

#: Stored mails that are compared with Redis in one round trip, and readings that are loaded at once.
_BATCH, _READINGS = 200, 20


async def repair_mark(redis: RedisClient, evicted: int) -> str:
    """Return what differs whenever Redis may have lost something: its run id, and how many keys it has *evicted*."""
    return f"{await run_id(redis)} {evicted}" if evicted else await run_id(redis)


async def read_repaired(redis: RedisClient) -> str:
    """Return the `repair_mark` for which the mail store was last compared with Redis; '' when there is none."""
    with translating_errors():
        return bytes(await redis.get(keys.REPAIRED) or b"").decode("utf-8", "replace")


async def put_lost_mail(intake: Intake, *, older_than: float = 0.0) -> AsyncIterator[int]:
    """Put stored mail that neither waits, nor was read, nor was removed; yield how many, shard by shard.

    Files of removed items are removed, and mail whose reading was lost in a power failure is read again. Use it after a
    crash between store and put (then only for mail stored *older_than* seconds ago, since a put may still run), and
    for a Redis that came back with less data. Raises as `Intake.put`; call it again then.
    """
    entries = WaitingEntries(intake.redis)
    await entries.update()
    if entered := await enter_again(intake, entries):
        yield entered
    for shard in await intake.mailstore.shards():
        sidecars = await intake.mailstore.stored_sidecars(shard, older_than=older_than)
        count = 0
        for start in range(0, len(sidecars), _BATCH):
            unknown = await intake.find_unknown(sidecars[start : start + _BATCH])
            count += await _put_again(intake, unknown, entries.by_mail)
        yield count + await _read_again(intake, shard, older_than)


async def relink_items(intake: Intake) -> AsyncIterator[int]:
    """Make Message-IDs lead to the items with a stored reading again; yield how many did not, shard by shard.

    Raises StoreUnavailableError.
    """
    for shard in await intake.mailstore.shards():
        ids = sorted({sidecar.id for sidecar in await intake.mailstore.stored_sidecars(shard)})
        count = 0
        for start in range(0, len(ids), _READINGS):
            links = await asyncio.gather(*(_links(intake, item_id) for item_id in ids[start : start + _READINGS]))
            count += await relink(intake.redis, [each for each in links if each])
        yield count


async def _links(intake: Intake, item_id: str) -> ItemLinks | None:
    """Return where an item is in threads according to its reading; None without one."""
    try:
        reading = await intake.mailstore.get_reading(item_id)
    except NotFoundError:
        return None
    named: list[object] = [reading.get("message_key"), *(reading.get("reference_keys") or ())]
    own, *references = (each if isinstance(each, str) else "" for each in named)
    return ItemLinks(item_id, own, [each for each in references if each])


async def _put_again(intake: Intake, lost: Sequence[Sidecar], entries: Mapping[tuple[str, str], str]) -> int:
    """Put the mail of *lost*; return how many wait. The checkpoint stays: other mail may have moved it past these."""
    count = 0
    while lost:
        await intake.require_safe()
        outcomes = await intake.enqueue([(sidecar, None) for sidecar in lost], entries)
        for sidecar, outcome in zip(lost, outcomes, strict=False):
            if outcome == "gone":
                await intake.mailstore.remove(sidecar.id)
            is_put = outcome in ("new", "variant")
            if outcome == "crowded":
                is_put = await _put_under_own_id(intake, sidecar)
            count += is_put
        lost = lost[len(outcomes) :]
    return count


async def _put_under_own_id(intake: Intake, sidecar: Sidecar) -> bool:
    """Put a variant of an item that has too many under the id of its whole content; return whether it waits now.

    Its old files are removed last: nothing else has this mail any more, and a repair may end at any step.
    """
    try:
        path = await intake.mailstore.variant_path(sidecar)
        own = replace(sidecar, id=await intake.item_id_from_file(sidecar.mailbox, path))
        await intake.mailstore.adopt(own, path)
    except NotFoundError:  # its raw mail was removed for its age
        return False
    (outcome,) = await intake.enqueue([(own, None)])
    if outcome == "gone":
        await intake.mailstore.remove(own.id)
    await intake.mailstore.discard(sidecar)
    return outcome == "new"


async def _read_again(intake: Intake, shard: Path, older_than: float) -> int:
    """Have the mail of items read again whose reading was lost in a power failure; return how many."""
    count = 0
    for item_id in await intake.mailstore.items_without_reading(shard, older_than=older_than):
        with suppress(NotFoundError, DecodeError):  # without an item it waits already, or is broken
            count += await retry_item(intake.redis, intake.mailstore, item_id, max_waiting=intake.max_waiting)
    return count

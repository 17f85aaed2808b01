"""The quarantine: how many items it has, which ones, and reading their mail again."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from typing import Any

from workitems.base import keys
from workitems.base.errors import IntakeFullError, NotFoundError
from workitems.base.redis import RedisClient, Script, translating_errors
from workitems.mailstore.store import MailStore

_retry = Script("feed/feed.lua", "queue/retry.lua")


@dataclass(frozen=True, slots=True)
class QuarantineSize:
    """How many items there are, and the age in seconds of the oldest entry; None when there is none."""

    count: int
    oldest_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class QuarantinedItem:
    """An item whose mail could not be read properly; `since` is ISO 8601 UTC."""

    id: str
    reference: str
    since: str
    reason: str | None


async def quarantine_size(redis: RedisClient) -> QuarantineSize:
    """Return the size of the quarantine. Raises StoreUnavailableError."""
    with translating_errors():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zcard(keys.QUARANTINE)
            pipe.zrange(keys.QUARANTINE, 0, 0, withscores=True)
            count, oldest = await pipe.execute()
    return QuarantineSize(int(count), max(0.0, time() - oldest[0][1] / 1000) if oldest else None)


async def list_quarantined(redis: RedisClient, *, start: int = 0, limit: int = 50) -> list[QuarantinedItem]:
    """Return *limit* items from the *start*-th on (0 is the first), the oldest entries first."""
    with translating_errors():
        found = await redis.zrange(keys.QUARANTINE, start, start + limit - 1, withscores=True)
        async with redis.pipeline(transaction=False) as pipe:
            for item_id, _ in found:
                pipe.hmget(keys.item(item_id.decode()), "reference", "machine")
            records = await pipe.execute()
    return [
        QuarantinedItem(item_id.decode(), (reference or b"").decode(), _moment(since), _reason(machine))
        for (item_id, since), (reference, machine) in zip(found, records, strict=True)
        if reference
    ]


async def retry_item(redis: RedisClient, mailstore: MailStore, item_id: str, *, max_waiting: int) -> bool:
    """Let the stored mail of an item wait to be read again; return False when it waits already.

    Reading renews the item, and removes it from the quarantine when all is well. Raises NotFoundError when there is no
    such item or it did not come by mail, NoLongerKeptError, IntakeFullError when *max_waiting* mails wait.
    """
    versions = await mailstore.kept_sidecars(item_id)
    answer = await _retry(redis, keys.FEED, [item_id, max_waiting, ",".join(version.raw for version in versions)])
    outcome = answer.decode()
    if outcome == "missing":
        raise NotFoundError("no such item")
    if outcome == "full":
        raise IntakeFullError(f"{max_waiting} mails wait to be read already")
    return bool(outcome == "put")


def _reason(machine: bytes | None) -> str | None:
    try:
        found: Any = json.loads(machine or b"{}")
    except (ValueError, RecursionError):
        return None
    reason = found.get("reason") if isinstance(found, dict) else None
    return reason if isinstance(reason, str) else None


def _moment(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

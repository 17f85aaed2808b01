"""Mail that could not be read as it should: how much there is, which items it became, and having it read again."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from typing import Any

from workitems import keys
from workitems.errors import IntakeFullError, NotFoundError
from workitems.mailstore import MailStore
from workitems.redis import Client, Script, available

_retry = Script("feed.lua", "retry.lua")


@dataclass(frozen=True, slots=True)
class Quarantine:
    """How many items there are, and the age in seconds of the one that is there longest; None when there is none."""

    count: int
    oldest: float | None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An item that could not be read as it should; `since` is ISO 8601 UTC."""

    id: str
    reference: str
    since: str
    reason: str | None


async def quarantine(redis: Client) -> Quarantine:
    """The size of it. Raises StoreUnavailableError."""
    with available():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zcard(keys.QUARANTINE)
            pipe.zrange(keys.QUARANTINE, 0, 0, withscores=True)
            count, oldest = await pipe.execute()
    return Quarantine(int(count), max(0.0, time() - oldest[0][1] / 1000) if oldest else None)


async def quarantined(redis: Client, *, start: int = 0, limit: int = 50) -> list[Quarantined]:
    """*limit* of its items from the *start*-th on (0 is the first), those in front that are there longest."""
    with available():
        found = await redis.zrange(keys.QUARANTINE, start, start + limit - 1, withscores=True)
        async with redis.pipeline(transaction=False) as pipe:
            for item_id, _ in found:
                pipe.hmget(keys.item(item_id.decode()), "reference", "machine")
            records = await pipe.execute()
    return [
        Quarantined(item_id.decode(), (reference or b"").decode(), _moment(since), _reason(machine))
        for (item_id, since), (reference, machine) in zip(found, records, strict=True)
        if reference
    ]


async def retry(redis: Client, mailstore: MailStore, item_id: str, *, most: int) -> bool:
    """Let the stored mail of an item wait to be read again; False when it waits already. *most* mails may wait.

    Reading renews the item, and takes it out of the quarantine when all is well. Raises NotFoundError when there is no
    such item or it did not come by mail, NoLongerKeptError, IntakeFullError.
    """
    versions = await mailstore.versions(item_id)
    answer = await _retry(redis, keys.FEED, [item_id, most, ",".join(version.raw for version in versions)])
    outcome = answer.decode()
    if outcome == "missing":
        raise NotFoundError("no such item")
    if outcome == "full":
        raise IntakeFullError(f"{most} mails wait to be read already")
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

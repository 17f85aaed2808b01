"""Find what is known of a person: the items that came from an address, and the items that mention it."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from workitems.base import keys
from workitems.base.errors import DecodeError, NotFoundError
from workitems.base.redis import RedisClient, translating_errors
from workitems.intake import identity
from workitems.intake.repair import read_repaired, repair_mark
from workitems.mailstore.store import MailStore

#: Items, and entries of the intake, that one round trip reads.
_BATCH = 200


@dataclass(frozen=True, slots=True)
class ItemMatch:
    """An item without its content. `reference` is '' while its mail waits to be read; `created` is ISO 8601."""

    id: str
    reference: str
    created: str


@dataclass(slots=True)
class PersonMatches:
    """`from_person`: items from the address. `mentioned`: others with it in fields, corrections, history or people."""

    from_person: list[ItemMatch] = field(default_factory=list)
    mentioned: list[ItemMatch] = field(default_factory=list)


async def find_by_address(redis: RedisClient, mailstore: MailStore, address: str) -> PersonMatches:
    """Search all items, and all mail that waits to be read. Raises StoreUnavailableError."""
    pattern, found, seen = _pattern(address), PersonMatches(), set[str]()
    async for batch in _items(redis):
        for item_id, (machine, person, reference, history) in zip(batch, await _records(redis, batch), strict=True):
            if machine is None or item_id in seen:
                continue
            seen.add(item_id)
            match = ItemMatch(item_id, (reference or b"").decode(), str(_json(machine).get("created_at", "")))
            if _is_from(_json(machine), pattern):
                found.from_person.append(match)
            elif pattern.search(b"\n".join((machine, person or b"", history)).decode("utf-8", "replace")):
                found.mentioned.append(match)
    async for item_id in _waiting(redis):
        if item_id not in seen and (arrived := await _from_in_raw(mailstore, item_id, pattern)):
            seen.add(item_id)
            found.from_person.append(ItemMatch(item_id, "", arrived))
    return found


async def find_by_ids(redis: RedisClient, mailstore: MailStore, items: Sequence[str]) -> list[ItemMatch]:
    """Return those of *items* that exist: also what waits to be read, and what Redis lost and the mail store has."""
    matches = []
    for item_id, (machine, _, reference, _) in zip(items, await _records(redis, items), strict=True):
        with translating_errors():
            waits = await redis.exists(keys.attempts(item_id))
        if machine is not None or waits or await _is_stored(mailstore, item_id):
            created = str(_json(machine or b"{}").get("created_at", ""))
            matches.append(ItemMatch(item_id, (reference or b"").decode(), created))
    return matches


async def is_repair_complete(redis: RedisClient, evicted: int) -> bool:
    """Return whether Redis has all that the mail store has (worker/upkeep/repair.py); else a search may miss some.

    *evicted*: how many keys it has deleted to free memory.
    """
    return await read_repaired(redis) == await repair_mark(redis, evicted)


async def _is_stored(mailstore: MailStore, item_id: str) -> bool:
    with suppress(NotFoundError, DecodeError):
        return bool(await mailstore.all_sidecars(item_id))
    return False


def _pattern(address: str) -> re.Pattern[str]:
    """Return a pattern for the address that does not match a part of a longer one."""
    return re.compile(rf"(?<![\w.+-]){re.escape(address)}(?![\w-]|\.\w)", re.IGNORECASE)


def _is_from(machine: dict[str, Any], pattern: re.Pattern[str]) -> bool:
    """Return whether the sender matches; where no address could be read, the name counts."""
    sender = str(machine.get("from_email") or machine.get("from_name") or "")
    return pattern.search(sender) is not None


def _json(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


async def _items(redis: RedisClient) -> AsyncIterator[list[str]]:
    cursor = 0
    while True:
        with translating_errors():
            cursor, found = await redis.zscan(keys.items(), cursor, count=_BATCH)
        if found:
            yield [item_id.decode() for item_id, _ in found]
        if not cursor:
            return


async def _records(
    redis: RedisClient, items: Sequence[str]
) -> list[tuple[bytes | None, bytes | None, bytes | None, bytes]]:
    """Return for each item its machine part, person part, reference, and the text of its people and its history."""
    with translating_errors():
        async with redis.pipeline(transaction=False) as pipe:
            for item_id in items:
                pipe.hmget(keys.item(item_id), "machine", "person", "reference", "people")
                pipe.xrange(keys.history(item_id))
            answers = await pipe.execute()
    return [
        (*record, b"\n".join([people or b"", *(value for _, fields in history for value in fields.values())]))
        for (*record, people), history in zip(answers[::2], answers[1::2], strict=True)
    ]


async def _waiting(redis: RedisClient) -> AsyncIterator[str]:
    after = "-"
    while True:
        with translating_errors():
            entries = await redis.xrange(keys.INTAKE, min=after, count=_BATCH)
        for _, fields in entries:
            yield fields.get(b"id", b"").decode()
        if len(entries) < _BATCH:
            return
        after = f"({entries[-1][0].decode()}"


async def _from_in_raw(mailstore: MailStore, item_id: str, pattern: re.Pattern[str]) -> str:
    """Return when an unread mail arrived if its header says that it is from the address; else ''."""
    try:
        versions = await mailstore.get_raw_mails(item_id)
    except (NotFoundError, DecodeError):
        return ""
    for version in versions:
        sender = identity.scan_headers(version.raw).get(b"from", b"").decode("utf-8", "replace")
        if pattern.search(sender) or pattern.search(version.sidecar.sender or ""):
            return version.sidecar.arrived
    return ""

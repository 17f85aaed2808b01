"""Finding what is known of a person: the items that came from an address, and those in which it stands."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from workitems import identity, keys
from workitems.errors import DecodeError, NotFoundError
from workitems.mailstore import MailStore
from workitems.redis import Client, available, run_id

#: Items, and entries of the intake, that are looked at in one round trip.
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Trace:
    """An item without its content. `reference` is '' while its mail waits to be read; `created` is ISO 8601."""

    id: str
    reference: str
    created: str


@dataclass(slots=True)
class Traces:
    """`sent`: what came from the address. `named`: other items in whose fields, corrections or history it stands."""

    sent: list[Trace] = field(default_factory=list)
    named: list[Trace] = field(default_factory=list)


async def by_address(redis: Client, mailstore: MailStore, address: str) -> Traces:
    """Look through all items, and all mail that waits. Raises StoreUnavailableError."""
    wanted, found, seen = _pattern(address), Traces(), set[str]()
    async for batch in _items(redis):
        for item_id, (machine, person, reference, history) in zip(batch, await _records(redis, batch), strict=True):
            if machine is None or item_id in seen:
                continue
            seen.add(item_id)
            trace = Trace(item_id, (reference or b"").decode(), str(_json(machine).get("created_at", "")))
            if _is_from(_json(machine), wanted):
                found.sent.append(trace)
            elif wanted.search(b"\n".join((machine, person or b"", history)).decode("utf-8", "replace")):
                found.named.append(trace)
    async for item_id in _waiting(redis):
        if item_id not in seen and (arrived := await _from_in_raw(mailstore, item_id, wanted)):
            seen.add(item_id)
            found.sent.append(Trace(item_id, "", arrived))
    return found


async def by_ids(redis: Client, mailstore: MailStore, items: Sequence[str]) -> list[Trace]:
    """Those of *items* that there are: what waits is one, and what Redis lost and only the mail store holds."""
    traces = []
    for item_id, (machine, _, reference, _) in zip(items, await _records(redis, items), strict=True):
        with available():
            waits = await redis.exists(keys.attempts(item_id))
        if machine is not None or waits or await _is_stored(mailstore, item_id):
            created = str(_json(machine or b"{}").get("created_at", ""))
            traces.append(Trace(item_id, (reference or b"").decode(), created))
    return traces


async def are_compared(redis: Client) -> bool:
    """Whether Redis is known to have all that the mail store holds (worker/repairer.py): if not, some is not found."""
    run = await run_id(redis)
    with available():
        return (await redis.get(keys.REPAIRED) or b"").decode() == run


async def _is_stored(mailstore: MailStore, item_id: str) -> bool:
    with suppress(NotFoundError, DecodeError):
        return bool(await mailstore.sidecars(item_id))
    return False


def _pattern(address: str) -> re.Pattern[str]:
    """The address alone, and not as the end or beginning of a longer one."""
    return re.compile(rf"(?<![\w.+-]){re.escape(address)}(?![\w-]|\.\w)", re.IGNORECASE)


def _is_from(machine: dict[str, Any], wanted: re.Pattern[str]) -> bool:
    """Where the sender could not be read, what stands in its place counts."""
    sender = str(machine.get("from_email") or machine.get("from_name") or "")
    return wanted.search(sender) is not None


def _json(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


async def _items(redis: Client) -> AsyncIterator[list[str]]:
    cursor = 0
    while True:
        with available():
            cursor, found = await redis.zscan(keys.items(), cursor, count=_BATCH)
        if found:
            yield [item_id.decode() for item_id, _ in found]
        if not cursor:
            return


async def _records(redis: Client, items: Sequence[str]) -> list[tuple[bytes | None, bytes | None, bytes | None, bytes]]:
    """Machine part, person part, reference, and all that stands in the history."""
    with available():
        async with redis.pipeline(transaction=False) as pipe:
            for item_id in items:
                pipe.hmget(keys.item(item_id), "machine", "person", "reference")
                pipe.xrange(keys.history(item_id))
            answers = await pipe.execute()
    return [
        (*record, b"\n".join(value for _, fields in history for value in fields.values()))
        for record, history in zip(answers[::2], answers[1::2], strict=True)
    ]


async def _waiting(redis: Client) -> AsyncIterator[str]:
    after = "-"
    while True:
        with available():
            entries = await redis.xrange(keys.INTAKE, min=after, count=_BATCH)
        for _, fields in entries:
            yield fields.get(b"id", b"").decode()
        if len(entries) < _BATCH:
            return
        after = f"({entries[-1][0].decode()}"


async def _from_in_raw(mailstore: MailStore, item_id: str, wanted: re.Pattern[str]) -> str:
    """When a mail that nobody read yet arrived, if it is from the address by its header; else ''."""
    try:
        versions = await mailstore.get(item_id)
    except (NotFoundError, DecodeError):
        return ""
    for version in versions:
        sender = identity.scan(version.raw).get(b"from", b"").decode("utf-8", "replace")
        if wanted.search(sender) or wanted.search(version.sidecar.sender or ""):
            return version.sidecar.arrived
    return ""

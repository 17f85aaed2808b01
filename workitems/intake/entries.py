"""Compares the entries of the intake with the attempts of mail that waits: Redis may have deleted only the entries."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from workitems.base import keys
from workitems.base.errors import DecodeError, IntakeFullError, NotFoundError
from workitems.base.json_codec import encode_json
from workitems.base.redis import RedisClient, Script, scan_keys, translating_errors
from workitems.intake.put import Intake
from workitems.mailstore.sidecar import Sidecar

_enter = Script("feed/feed.lua", "intake/enter.lua")

#: Mails that one step looks at, and entries that one round trip reads.
_BATCH, _ENTRIES = 100, 500


class WaitingEntries:
    """The mails that have an entry, as far as `update` has read."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self.items: set[str] = set()
        #: Item id and fingerprint → the entry.
        self.by_mail: dict[tuple[str, str], str] = {}
        #: After which entry the next read begins, as XRANGE wants it.
        self.after = "-"

    async def update(self) -> None:
        """Read the entries that came since the last call. Raises StoreUnavailableError."""
        while True:
            with translating_errors():
                entries = await self._redis.xrange(keys.INTAKE, min=self.after, count=_ENTRIES)
            for entry, fields in entries:
                item_id = fields.get(b"id", b"").decode()
                self.items.add(item_id)
                self.by_mail[item_id, fields.get(b"raw", b"").decode()] = entry.decode()
                self.after = f"({entry.decode()}"
            if len(entries) < _ENTRIES:
                return


async def enter_again(intake: Intake, entries: WaitingEntries) -> int:
    """Add the entries that Redis has lost of mail that waits; return how many.

    Raises StoreUnavailableError, and IntakeFullError when not all may wait now; call it again then.
    """
    count = 0
    async for names in scan_keys(intake.redis, keys.attempts("*"), "hash"):
        await entries.update()  # after the scan: each of these had its entry before
        found = [name.decode("utf-8", "replace").removeprefix(keys.attempts("")) for name in names]
        lost = [item_id for item_id in found if item_id not in entries.items]
        for start in range(0, len(lost), _BATCH):
            count += await _enter_batch(intake, entries, lost[start : start + _BATCH])
    return count


async def _enter_batch(intake: Intake, entries: WaitingEntries, lost: Sequence[str]) -> int:
    sidecars = await asyncio.gather(*(_sidecar(intake, item_id) for item_id in lost))
    mails = [
        {
            "id": item_id,
            "mailbox": sidecar.mailbox if sidecar else "",
            "raw": sidecar.raw if sidecar else "",
            "size": str(sidecar.size) if sidecar else "0",
        }
        for item_id, sidecar in zip(lost, sidecars, strict=True)
    ]
    await intake.require_safe()
    await entries.update()
    # Another repair may have entered some since; the step itself looks only at entries that are newer than this update.
    mails = [mail for mail in mails if mail["id"] not in entries.items]
    request = {"max_waiting": intake.max_waiting, "after": entries.after, "mails": mails}
    count, is_full = await _enter(intake.redis, keys.FEED, [encode_json(request)])
    if is_full:
        raise IntakeFullError(f"{intake.max_waiting} mails wait to be read already")
    return int(count)


async def _sidecar(intake: Intake, item_id: str) -> Sidecar | None:
    """Return the sidecar of the first variant; None when there is none, or it cannot be decoded."""
    with suppress(NotFoundError, DecodeError):
        return (await intake.mailstore.all_sidecars(item_id))[0]
    return None

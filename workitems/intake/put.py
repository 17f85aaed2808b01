"""The intake: mail is stored first, then it waits to be read, each mail once.

The poller, the import, uploads and webhooks all call `Intake.put` or one of its forms.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workitems.base import failpoint, keys
from workitems.base.errors import IntakeFullError, LeaseLostError, StoreUnavailableError, TubepostError
from workitems.base.json_codec import encode_json, encode_json_str
from workitems.base.redis import RedisClient, Script, translating_errors
from workitems.intake import identity
from workitems.intake.origin import MailOrigin
from workitems.mailstore.sidecar import Sidecar
from workitems.mailstore.store import MailStore

_put = Script("feed/feed.lua", "queue/item.lua", "intake/put.lua")

#: Outcomes after which no item will ever be read from the mail in this folder of the mail store.
_UNREAD = ("crowded", "gone", "late")

#: Bytes of mail that are hashed on the event loop at once; 50 MB take a tenth of a second.
_SMALL = 256 * 1024

#: Last outcomes that mean: neither this mail nor any after it was put.
_REFUSED = ("store", "full", "lease")


@dataclass(frozen=True, slots=True)
class PutResult:
    """The result of a put: new, duplicate, variant (other bytes of a known mail), gone (it was removed) or late (other
    bytes of a mail whose raw mail is no longer kept).
    """

    id: str
    outcome: str


class Intake:
    """The intake of one Redis and one mail store."""

    def __init__(
        self,
        redis: RedisClient,
        mailstore: MailStore,
        *,
        max_waiting: int,
        after_action_on: Mapping[str, str] | None = None,
        reconcile: Callable[[], Awaitable[str]] | None = None,
        require_safe: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """*max_waiting* mails may wait. *after_action_on*: mailbox → when its actions are due, `published` or `done`.

        *reconcile* compares Redis with the mail store and returns the store's id (`DurableState.reconcile`).
        *require_safe* raises StoreUnsafeError while Redis would lose what is put (`RedisWatch.require_safe`).
        """
        self.redis = redis
        self.mailstore = mailstore
        self.max_waiting = max_waiting
        self._after_action_on = dict(after_action_on or {})
        self._reconcile = reconcile
        self._require_safe = require_safe
        self._store_id = ""

    async def put(self, raw: bytes, origin: MailOrigin) -> PutResult:
        """Store the raw mail, then record that it waits, together with the checkpoint of its folder.

        When this returns, the mail survives a power failure. A second put of the same mail changes nothing. Raises
        IntakeFullError, LeaseLostError, or StoreUnavailableError when the disk or Redis is unavailable.
        """
        return (await self.put_all([(raw, origin)]))[0]

    async def put_all(self, mails: Sequence[tuple[bytes, MailOrigin]]) -> list[PutResult]:
        """Do `put` for each of *mails* in their order; the disk works on all of them at once.

        When it raises, some may have been put, but none after one that was not. A second call puts the rest.
        """
        await self.require_safe()
        await self.reconcile()
        sidecars = await self._store_raw(identity.item_id, mails)
        results: list[PutResult] = []
        while left := list(zip(sidecars, mails, strict=True))[len(results) :]:
            outcomes = await self.enqueue([(sidecar, origin) for sidecar, (_, origin) in left])
            for (sidecar, mail), outcome in zip(left, outcomes, strict=False):
                results.append(await self._finish_put(sidecar, mail, outcome))
        return results

    async def put_file(self, path: Path, origin: MailOrigin, *, head: bytes, fingerprint: str) -> PutResult:
        """Do `put` for a mail that is whole and synced in a file on the mail store's disk.

        *head* and *fingerprint* are those of the `SpooledMail`. The caller keeps the file and may remove it.
        """
        await self.require_safe()
        await self.reconcile()
        item_id = identity.item_id_from_head(origin.mailbox, head) or await self.item_id_from_file(origin.mailbox, path)
        sidecar, outcome = await self._put_file_as(item_id, path, origin, fingerprint)
        if outcome in _UNREAD:
            await self.mailstore.discard(sidecar)
        if outcome == "crowded":
            item_id = await self.item_id_from_file(origin.mailbox, path)
            sidecar, outcome = await self._put_file_as(item_id, path, origin, fingerprint)
        failpoint.reach("put")
        return PutResult(sidecar.id, outcome)

    async def withdraw(self, item_id: str, fingerprint: str, origin: MailOrigin) -> None:
        """Remove a stored mail whose put was refused, unless Redis knows it; else a repair would put it later.

        Only for a mail that no other caller can put: two puts of the same mail share one file.
        """
        sidecar = origin.sidecar(item_id, fingerprint)
        if await self.find_unknown([sidecar]):
            await self.mailstore.discard(sidecar)

    async def count_waiting(self) -> int:
        """Return how many mails wait, including those that are being read."""
        with translating_errors():
            return int(await self.redis.xlen(keys.INTAKE))

    async def require_safe(self) -> None:
        """Raise StoreUnsafeError while Redis would lose what is put; for use before a mail is fetched or received."""
        if self._require_safe is not None:
            await self._require_safe()

    async def reconcile(self, *, again: bool = False) -> None:
        """Check before the first put, or *again*, that Redis knows this mail store. Raises StoreUnavailableError."""
        if self._reconcile is not None and (again or not self._store_id):
            self._store_id = await self._reconcile()

    async def enqueue(
        self, mails: Sequence[tuple[Sidecar, MailOrigin | None]], entries: Mapping[tuple[str, str], str] | None = None
    ) -> list[str]:
        """Record that stored *mails* wait and return their outcomes; the list ends early with a mail that is `crowded`.

        Without an origin no checkpoint moves. *entries*: item id and fingerprint → its entry. Raises as `put`.
        """
        request = {
            "max_waiting": self.max_waiting,
            "store_id": self._store_id,
            "mails": [
                self._request(sidecar, origin) | {"entry": (entries or {}).get((sidecar.id, sidecar.raw), "")}
                for sidecar, origin in mails
            ],
        }
        outcomes = [outcome.decode() for outcome in await _put(self.redis, keys.FEED, [encode_json(request)])]
        if outcomes[-1] in _REFUSED:
            outcomes, refused = outcomes[:-1], outcomes[-1]
            if not outcomes:
                raise self._refusal(refused, mails[0][0].mailbox)
        return outcomes

    async def find_unknown(self, sidecars: Sequence[Sidecar]) -> list[Sidecar]:
        """Return those of *sidecars* whose fingerprint neither an item nor a waiting mail has."""
        with translating_errors():
            async with self.redis.pipeline(transaction=False) as pipe:
                for sidecar in sidecars:
                    pipe.hget(keys.item(sidecar.id), "raws")
                    pipe.hget(keys.attempts(sidecar.id), "raws")
                known: list[Any] = await pipe.execute()
        return [
            sidecar for sidecar, *raws in zip(sidecars, known[::2], known[1::2], strict=True)
            if not any(sidecar.raw.encode() in (known or b"").split(b",") for known in raws)
        ]  # fmt: skip

    async def item_id_from_file(self, mailbox: str, path: Path) -> str:
        """Do `identity.item_id_from_file` for a file on the mail store's disk. Raises NotFoundError."""
        return await self.mailstore.run_in_thread(identity.item_id_from_file, mailbox, path)

    async def _store_raw(
        self, identify: Callable[[str, bytes], str], mails: Sequence[tuple[bytes, MailOrigin]]
    ) -> list[Sidecar]:
        def sidecars() -> list[Sidecar]:
            return [origin.sidecar(identify(origin.mailbox, raw), identity.fingerprint(raw)) for raw, origin in mails]

        small = sum(len(raw) for raw, _ in mails) <= _SMALL
        found = sidecars() if small else await self.mailstore.run_in_thread(sidecars)
        await self.mailstore.store_all([(sidecar, raw) for sidecar, (raw, _) in zip(found, mails, strict=True)])
        for _ in mails:
            failpoint.reach("stored")
        return found

    async def _finish_put(self, sidecar: Sidecar, mail: tuple[bytes, MailOrigin], outcome: str) -> PutResult:
        """Return the result for a mail that was stored and recorded with *outcome*."""
        if outcome in _UNREAD:
            await self.mailstore.discard(sidecar)
        if outcome == "crowded":
            (sidecar,) = await self._store_raw(identity.item_id_from_raw, [mail])
            (outcome,) = await self.enqueue([(sidecar, mail[1])])
        failpoint.reach("put")
        return PutResult(sidecar.id, outcome)

    async def _put_file_as(self, item_id: str, path: Path, origin: MailOrigin, fingerprint: str) -> tuple[Sidecar, str]:
        sidecar = origin.sidecar(item_id, fingerprint)
        await self.mailstore.adopt(sidecar, path)
        failpoint.reach("stored")
        (outcome,) = await self.enqueue([(sidecar, origin)])
        return sidecar, outcome

    def _request(self, sidecar: Sidecar, origin: MailOrigin | None) -> dict[str, Any]:
        """Return what put.lua needs to know of a mail; '' means nothing."""
        is_located = sidecar.uidvalidity is not None and sidecar.uid is not None
        moves = is_located and origin is not None and origin.moves_checkpoint
        location = [sidecar.folder, sidecar.uidvalidity, sidecar.uid]
        return {
            "id": sidecar.id,
            "mailbox": sidecar.mailbox,
            "raw": sidecar.raw,
            "size": str(sidecar.size),
            "folder": sidecar.folder,
            "uidvalidity": str(sidecar.uidvalidity) if moves else "",
            "uid": sidecar.uid if moves else 0,
            "lease_token": origin.lease_token if origin else "",
            "location": encode_json_str(location) if is_located else "",
            "after": self._after_action_on.get(sidecar.mailbox, ""),
        }

    def _refusal(self, outcome: str, mailbox: str) -> TubepostError:
        if outcome == "full":
            return IntakeFullError(f"{self.max_waiting} mails wait to be read already")
        if outcome == "lease":
            return LeaseLostError(f"another worker holds the mailbox {mailbox}")
        self._store_id = ""
        return StoreUnavailableError("Redis came back without its data; it gets its tombstones before it gets mail")

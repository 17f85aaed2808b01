"""Gets the mails of given UIDs from an open mailbox, in order, and says of each what could be had of it.

Servers announce mail that they cannot give yet, give nothing where there is something, guess sizes, and have mail that
nobody can read any more. None of it may stop the mails behind it, and none may pass for "there was nothing".
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from worker.breakers import Breakers
from worker.imap import (
    NONE_NOW,
    CommandRefusedError,
    Connection,
    ImapError,
    ProtocolError,
    Summary,
    TooLargeError,
    batches,
)
from workitems.identity import HEADER_LIMIT
from workitems.tasks import end

#: Seconds to wait before what did not come is asked for again.
AGAIN = (0.3, 1.0, 2.0)

#: Mails, and bytes of mail, that are stored at once.
HAND, HAND_BYTES = 50, 4 << 20


@dataclass(frozen=True, slots=True)
class Mail:
    """One UID. `raw` None: nothing was given; `missing`: the server lists it, so the whole mail is still owed.

    `size` is that of the whole mail: larger than `raw` says that the headers alone are here. `asked`: whether the whole
    was asked for.
    """

    uid: int
    raw: bytes | None
    size: int = 0
    arrived: datetime | None = None
    oversized: bool = False
    missing: bool = False
    asked: bool = True


class Fetcher:
    """Over one connection. *oversized* remembers, across connections, UIDs that turned out longer than announced, and
    *breakers* those at which connections ended.
    """

    def __init__(
        self, connection: Connection, largest: int, oversized: set[int], breakers: Breakers | None = None
    ) -> None:
        self._connection = connection
        self._largest = largest
        self._oversized = oversized
        self._breakers = breakers or Breakers()
        self._patience = list(AGAIN)

    async def mails(self, uids: Sequence[int]) -> AsyncIterator[Mail]:
        """A `Mail` for each of *uids* (ascending), in order; those that are gone by now are left out."""
        self._patience = list(AGAIN)
        if len(uids) == 1 and (mail := await self._lone(uids[0])):
            yield mail
            return
        summaries = await self._summaries(uids)
        alive = await self._listed([uid for uid in uids if uid not in summaries])
        found = [summaries.get(uid) or uid for uid in uids if uid in summaries or uid in alive]
        for group in _groups(found, lambda each: self._is_oversized(each) or self._breakers.is_one(each.uid)):
            if isinstance(group, int):
                yield Mail(group, None, missing=True)
            elif self._is_oversized(group[0]):
                yield await self._headers(group[0], oversized=True)
            elif self._breakers.is_spared(group[0].uid):
                yield replace(await self._headers(group[0]), asked=False)
            else:
                for batch in batches(group):
                    async for mail in self._whole(batch):
                        yield mail

    async def hands(self, uids: Sequence[int]) -> AsyncGenerator[list[Mail], None]:
        """The mails of *uids* in their order, as many at once as are stored at once; close it (`aclosing`).

        While one hand is stored the next is fetched, unless the one is large: memory holds one large mail at most.
        """
        hands = self._hands(uids)
        coming = asyncio.create_task(_next(hands))
        try:
            while hand := await coming:
                if sum(len(mail.raw or b"") for mail in hand) <= 2 * HAND_BYTES:
                    coming = asyncio.create_task(_next(hands))
                    yield hand
                else:
                    yield hand
                    coming = asyncio.create_task(_next(hands))
        finally:
            await end(coming)

    async def _hands(self, uids: Sequence[int]) -> AsyncIterator[list[Mail]]:
        hand, size = list[Mail](), 0
        async for mail in self.mails(uids):
            hand.append(mail)
            size += len(mail.raw or b"")
            if len(hand) >= HAND or size >= HAND_BYTES:
                yield hand
                hand, size = [], 0
        if hand:
            yield hand

    def _is_oversized(self, summary: Summary) -> bool:
        return summary.size > self._largest or summary.uid in self._oversized

    async def _lone(self, uid: int) -> Mail | None:
        """A mail that came alone, as most do that somebody waits for: one question where it is small.

        None: it is to be asked for like any other.
        """
        if uid in self._oversized or self._breakers.is_one(uid) or not self._breakers.gives_parts:
            return None
        try:
            with self._watched([uid]):
                found = await self._connection.fetch_small(uid)
        except CommandRefusedError as error:
            if error.status == "NO" and error.code not in NONE_NOW:
                return None
            self._breakers.gives_parts = error.status != "BAD"
            raise
        except ProtocolError:  # TooLargeError is one
            self._breakers.gives_parts = False
            raise
        if found is None or self._is_oversized(found[0]):
            return None
        summary, raw = found
        return Mail(uid, raw, len(raw), summary.internaldate)

    async def _summaries(self, uids: Sequence[int]) -> dict[int, Summary]:
        """Sizes of all; a mail may be announced before it can be asked about (replicas lag)."""
        found = await self._connection.sizes(uids)
        while len(found) < len(uids) and self._patience:
            await asyncio.sleep(self._patience.pop(0))
            missing = [uid for uid in uids if uid not in found]
            found |= await self._connection.sizes(missing)
            if not set(missing) - found.keys() & await self._listed(missing):
                break
        return found

    async def _listed(self, uids: Sequence[int]) -> set[int]:
        """Those of *uids* that the server still lists."""
        return set(await self._connection.search(uids[0])) & set(uids) if uids else set()

    async def _whole(self, batch: Sequence[Summary]) -> AsyncIterator[Mail]:
        bodies = await self._bodies(batch)
        while self._patience and (absent := [each for each in batch if each.uid not in bodies]):
            await asyncio.sleep(self._patience.pop(0))
            there = await self._connection.sizes([each.uid for each in absent])
            absent = [each for each in absent if each.uid in there]
            if not absent:
                break
            bodies |= await self._bodies(absent)
        gone = await self._gone([each.uid for each in batch if each.uid not in bodies])
        for summary in batch:
            if summary.uid in bodies:
                raw = bodies[summary.uid]
                yield Mail(summary.uid, raw, len(raw), summary.internaldate)
            elif summary.uid not in gone:
                yield await self._headers(summary)

    async def _gone(self, uids: Sequence[int]) -> set[int]:
        return set(uids) - (await self._connection.sizes(uids)).keys() if uids else set()

    async def _bodies(self, batch: Sequence[Summary]) -> dict[int, bytes]:
        """The bytes of those that came; an empty answer for a mail that has a size is none (Exchange gives such)."""
        try:
            with self._watched([each.uid for each in batch]):
                found = await self._connection.fetch(batch)
        except CommandRefusedError as error:
            if error.status != "NO" or error.code in NONE_NOW:
                raise
            return {}
        except TooLargeError as error:
            # Known after the reconnect that follows. Of a whole batch we cannot tell which it was: then the largest.
            suspects = [each for each in batch if each.uid in error.uids] or batch
            self._oversized.add(max(suspects, key=lambda each: each.size).uid)
            raise
        self._breakers.came(found)
        empty = {each.uid for each in batch if each.size and not found.get(each.uid, b"-")}
        return {uid: raw for uid, raw in found.items() if uid not in empty}

    @contextmanager
    def _watched(self, uids: Sequence[int]) -> Iterator[None]:
        """Remember which mails were asked for when a connection ends."""
        try:
            yield
        except TooLargeError:
            raise
        except ImapError:
            if self._connection.failure:
                self._breakers.ended(uids)
            raise

    async def _headers(self, summary: Summary, *, oversized: bool = False) -> Mail:
        """The headers of a mail that is too large, or that the server does not give otherwise."""
        if self._breakers.is_hopeless(summary.uid):
            return Mail(summary.uid, None, summary.size, summary.internaldate, missing=True)
        try:
            with self._watched([summary.uid]):
                raw = await self._connection.fetch_headers(summary.uid, HEADER_LIMIT)
        except CommandRefusedError as error:
            if error.status != "NO" or error.code in NONE_NOW:
                raise
            raw = None
        size = max(summary.size, len(raw or b"") + 1)
        return Mail(summary.uid, raw or None, size, summary.internaldate, oversized, missing=not oversized or not raw)


async def _next(hands: AsyncIterator[list[Mail]]) -> list[Mail]:
    """[] at the end."""
    return await anext(hands, [])


def _groups(found: Iterable[Summary | int], alone: Callable[[Summary], bool]) -> Iterator[list[Summary] | int]:
    """Runs of ordinary mails; what is *alone* in a run of its own; a bare UID as it is."""
    run: list[Summary] = []
    for each in found:
        if isinstance(each, int) or alone(each):
            if run:
                yield run
                run = []
            yield each if isinstance(each, int) else [each]
        else:
            run.append(each)
    if run:
        yield run

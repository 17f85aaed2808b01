"""Fetches the mails of given UIDs from an open folder, in order, and says for each how much the server gave.

Servers announce mail that they cannot give yet, give nothing for mail that exists, guess sizes, and hold mail that
nobody can read any more. None of this may stop the mails behind it, or be taken for "there is no mail".
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from worker.imap import (
    TRANSIENT_CODES,
    CommandRefusedError,
    Connection,
    ImapError,
    LiteralTooLargeError,
    ProtocolError,
    Summary,
    split_batches,
)
from worker.mailboxes.suspect_uids import SuspectUids
from workitems.base.tasks import cancel_and_wait
from workitems.intake.identity import HEADER_LIMIT

#: Seconds to wait before mail that did not come is asked for again.
RETRY_DELAYS = (0.3, 1.0, 2.0)

#: Mails, and bytes of mail, that are stored at once.
MAX_BATCH_MAILS, MAX_BATCH_BYTES = 50, 4 << 20


@dataclass(frozen=True, slots=True)
class FetchedMail:
    """One UID. `raw` is None when the server gave nothing.

    `size` is that of the whole mail; where it is larger than `raw`, these are only the headers. `is_missing`: the
    server lists the mail and did not give all of it. `is_whole_asked`: the whole mail was asked for.
    """

    uid: int
    raw: bytes | None
    size: int = 0
    arrived: datetime | None = None
    is_oversized: bool = False
    is_missing: bool = False
    is_whole_asked: bool = True


class Fetcher:
    """Fetches over one connection. Two records outlive it: *oversized* are UIDs of mail that was longer than announced,
    and *suspects* those at which connections ended.
    """

    def __init__(
        self, connection: Connection, max_bytes: int, oversized: set[int], suspects: SuspectUids | None = None
    ) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._oversized = oversized
        self._suspects = suspects or SuspectUids()
        self._retry_delays = list(RETRY_DELAYS)

    async def fetch_mails(self, uids: Sequence[int]) -> AsyncIterator[FetchedMail]:
        """Yield one FetchedMail for each of *uids* (ascending), in order, without those that are gone."""
        self._retry_delays = list(RETRY_DELAYS)
        if len(uids) == 1 and (mail := await self._fetch_single(uids[0])):
            yield mail
            return
        summaries = await self._summaries(uids)
        alive = await self._listed([uid for uid in uids if uid not in summaries])
        found = [summaries.get(uid) or uid for uid in uids if uid in summaries or uid in alive]
        for group in _groups(found, lambda each: self._is_oversized(each) or self._suspects.is_suspect(each.uid)):
            if isinstance(group, int):
                yield FetchedMail(group, None, is_missing=True)
            elif self._is_oversized(group[0]):
                yield await self._headers(group[0], oversized=True)
            elif self._suspects.is_deferred(group[0].uid):
                yield replace(await self._headers(group[0]), is_whole_asked=False)
            else:
                for batch in split_batches(group):
                    async for mail in self._whole(batch):
                        yield mail

    async def fetch_batches(self, uids: Sequence[int]) -> AsyncGenerator[list[FetchedMail], None]:
        """Yield the mails of *uids* in order, in batches that are stored at once. Close it with `aclosing`.

        While one batch is stored the next is fetched, unless it is large: memory holds one large mail at most.
        """
        batches = self._split(uids)
        upcoming = asyncio.create_task(_next(batches))
        try:
            while batch := await upcoming:
                if sum(len(mail.raw or b"") for mail in batch) <= 2 * MAX_BATCH_BYTES:
                    upcoming = asyncio.create_task(_next(batches))
                    yield batch
                else:
                    yield batch
                    upcoming = asyncio.create_task(_next(batches))
        finally:
            await cancel_and_wait(upcoming)

    async def _split(self, uids: Sequence[int]) -> AsyncIterator[list[FetchedMail]]:
        batch, size = list[FetchedMail](), 0
        async for mail in self.fetch_mails(uids):
            batch.append(mail)
            size += len(mail.raw or b"")
            if len(batch) >= MAX_BATCH_MAILS or size >= MAX_BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _is_oversized(self, summary: Summary) -> bool:
        return summary.size > self._max_bytes or summary.uid in self._oversized

    async def _fetch_single(self, uid: int) -> FetchedMail | None:
        """Fetch a mail that came alone, as most live mail does, with one command where it is small.

        None: fetch it like any other.
        """
        if uid in self._oversized or self._suspects.is_suspect(uid) or not self._suspects.has_partial_fetch:
            return None
        try:
            with self._recording_failures([uid]):
                found = await self._connection.fetch_small(uid)
        except CommandRefusedError as error:
            if error.status == "NO" and error.code not in TRANSIENT_CODES:
                return None
            self._suspects.has_partial_fetch = error.status != "BAD"
            raise
        except ProtocolError:  # LiteralTooLargeError is one
            self._suspects.has_partial_fetch = False
            raise
        if found is None or self._is_oversized(found[0]):
            return None
        summary, raw = found
        return FetchedMail(uid, raw, len(raw), summary.internaldate)

    async def _summaries(self, uids: Sequence[int]) -> dict[int, Summary]:
        """Return the summaries of *uids*. A mail may be listed before FETCH knows it (replicas lag), so ask again."""
        found = await self._connection.fetch_summaries(uids)
        while len(found) < len(uids) and self._retry_delays:
            await asyncio.sleep(self._retry_delays.pop(0))
            missing = [uid for uid in uids if uid not in found]
            found |= await self._connection.fetch_summaries(missing)
            if not set(missing) - found.keys() & await self._listed(missing):
                break
        return found

    async def _listed(self, uids: Sequence[int]) -> set[int]:
        """Return those of *uids* that the server still lists."""
        return set(await self._connection.search(uids[0])) & set(uids) if uids else set()

    async def _whole(self, batch: Sequence[Summary]) -> AsyncIterator[FetchedMail]:
        bodies = await self._bodies(batch)
        while self._retry_delays and (absent := [each for each in batch if each.uid not in bodies]):
            await asyncio.sleep(self._retry_delays.pop(0))
            there = await self._connection.fetch_summaries([each.uid for each in absent])
            absent = [each for each in absent if each.uid in there]
            if not absent:
                break
            bodies |= await self._bodies(absent)
        gone = await self._gone([each.uid for each in batch if each.uid not in bodies])
        for summary in batch:
            if summary.uid in bodies:
                raw = bodies[summary.uid]
                yield FetchedMail(summary.uid, raw, len(raw), summary.internaldate)
            elif summary.uid not in gone:
                yield await self._headers(summary)

    async def _gone(self, uids: Sequence[int]) -> set[int]:
        return set(uids) - (await self._connection.fetch_summaries(uids)).keys() if uids else set()

    async def _bodies(self, batch: Sequence[Summary]) -> dict[int, bytes]:
        """Return the bytes that came. Empty bytes for a mail with a size do not count (Exchange gives such)."""
        try:
            with self._recording_failures([each.uid for each in batch]):
                found = await self._connection.fetch(batch)
        except CommandRefusedError as error:
            if error.status != "NO" or error.code in TRANSIENT_CODES:
                raise
            return {}
        except LiteralTooLargeError as error:
            # Used after the reconnect that follows. In a batch we cannot know which mail it was: take the largest.
            candidates = [each for each in batch if each.uid in error.uids] or batch
            self._oversized.add(max(candidates, key=lambda each: each.size).uid)
            raise
        self._suspects.record_success(found)
        empty = {each.uid for each in batch if each.size and not found.get(each.uid, b"-")}
        return {uid: raw for uid, raw in found.items() if uid not in empty}

    @contextmanager
    def _recording_failures(self, uids: Sequence[int]) -> Iterator[None]:
        """Record which mails were asked for when the connection ends."""
        try:
            yield
        except LiteralTooLargeError:
            raise
        except ImapError:
            if self._connection.failure:
                self._suspects.record_failure(uids)
            raise

    async def _headers(self, summary: Summary, *, oversized: bool = False) -> FetchedMail:
        """Fetch only the headers, of a mail that is too large or that the server does not give as a whole."""
        if self._suspects.is_hopeless(summary.uid):
            return FetchedMail(summary.uid, None, summary.size, summary.internaldate, is_missing=True)
        try:
            with self._recording_failures([summary.uid]):
                raw = await self._connection.fetch_headers(summary.uid, HEADER_LIMIT)
        except CommandRefusedError as error:
            if error.status != "NO" or error.code in TRANSIENT_CODES:
                raise
            raw = None
        size = max(summary.size, len(raw or b"") + 1)
        return FetchedMail(
            summary.uid, raw or None, size, summary.internaldate, oversized, is_missing=not oversized or not raw
        )


async def _next(batches: AsyncIterator[list[FetchedMail]]) -> list[FetchedMail]:
    """Return the next batch, or [] at the end."""
    return await anext(batches, [])


def _groups(found: Iterable[Summary | int], alone: Callable[[Summary], bool]) -> Iterator[list[Summary] | int]:
    """Yield runs of ordinary mails, each mail that must be fetched *alone* by itself, and bare UIDs as they are."""
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

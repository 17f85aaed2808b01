"""Reads one stored mail in the reading children: all of its versions, whole or by their headers."""

import asyncio
from collections.abc import Sequence

from worker.answer import checked
from worker.machine import Publication, Version, bare, is_whole, publication
from worker.sandbox.failure import ReadFailedError
from worker.sandbox.pool import Sandbox
from worker.sandbox.process import Result
from workitems.log import get_logger
from workitems.sidecar import Stored

log = get_logger("reader")

#: The function that children read headers with.
READ_HEADERS = "worker.letterhead:prepare"

#: Versions of one mail that are read.
MOST_VERSIONS = 8

#: Seconds that a mail may take when it is read for the first time, and the bytes that earn it one second more.
FIRST_SECONDS, FIRST_RATE = 0.75, 5_000_000

#: Seconds for the headers of a mail.
HEADERS_SECONDS = 5.0


def first_limit(size: int) -> float:
    """Seconds for the first reading of *size* bytes: short, so that a mail that spins soon makes way."""
    return FIRST_SECONDS + size / FIRST_RATE


class Readings:
    """Turns stored versions of a mail into what is published.

    *first* has been started. *careful*, for mail that failed before, has children of its own: those that it ends must
    not be missed by other mail. It and *headers* are started when they are needed.
    """

    def __init__(self, first: Sandbox, careful: Sandbox, headers: Sandbox) -> None:
        self._first = first
        self._careful = careful
        self._headers = headers
        self._starting = asyncio.Lock()
        self._started = {first}

    async def read(self, versions: Sequence[Stored], *, seconds: float | None = None) -> Publication:
        """Read them all, each within *seconds* or its `first_limit`. Raises the first ReadFailedError."""
        found = [Version(stored, await self._result(stored, seconds)) for stored in versions[:MOST_VERSIONS]]
        return publication(found, _raws(versions))

    async def salvage(self, versions: Sequence[Stored], reason: str, *, seconds: float | None = None) -> Publication:
        """What can be had of a mail that cannot be read: versions that can, then headers, then what our scanner sees.

        Without *seconds* no version is read whole again. Raises SandboxUnavailableError, never ReadFailedError.
        """
        found = [Version(stored, await self._salvaged(stored, seconds)) for stored in versions[:MOST_VERSIONS]]
        return publication(found, _raws(versions), reason=reason)

    def scan(self, versions: Sequence[Stored], reason: str) -> Publication:
        """The least: nothing of the mail goes through a child."""
        return publication(
            [Version(stored, bare(stored.raw)) for stored in versions[:1]], _raws(versions), reason=reason
        )

    async def _result(self, stored: Stored, seconds: float | None) -> Result:
        if not is_whole(stored):
            return await self._letterhead(stored)
        if seconds is None:
            return await self._child(self._first, stored, first_limit(len(stored.raw)))
        return await self._child(self._careful, stored, seconds)

    async def _salvaged(self, stored: Stored, seconds: float | None) -> Result:
        try:
            if seconds is not None:
                return await self._result(stored, seconds)
        except ReadFailedError as error:
            log.info("a version of a mail cannot be read", item=stored.sidecar.id, reason=error.reason)
        try:
            return await self._letterhead(stored)
        except ReadFailedError as error:
            log.warning("the headers of a mail cannot be read", item=stored.sidecar.id, reason=error.reason)
            return bare(stored.raw)

    async def _letterhead(self, stored: Stored) -> Result:
        return await self._child(self._headers, stored, HEADERS_SECONDS)

    async def _child(self, sandbox: Sandbox, stored: Stored, limit: float) -> Result:
        if sandbox not in self._started:  # others must not wait for a start of seconds
            async with self._starting:
                if sandbox not in self._started:
                    await sandbox.start()
                    self._started.add(sandbox)
        return checked(await sandbox.read(stored.raw, mailbox=stored.sidecar.mailbox, limit=limit))


def _raws(versions: Sequence[Stored]) -> list[str]:
    return [stored.sidecar.raw for stored in versions]

"""Takes mail that waits, has it read, and publishes it. Two lanes:

First readings run several at once, uncounted and with a short limit. What failed, or was left unfinished by a process
that ended, goes through the careful lane: one at a time, counted before the work, with all the time a mail may have.
After three counted tries the mail is published as far as it can be read and marked for review: it never vanishes.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from worker.machine import Publication
from worker.readings import Readings
from worker.room import Room
from worker.sandbox.failure import ReadFailedError, SandboxUnavailableError
from worker.unread import without_raw
from workitems import failpoint
from workitems.backoff import delay
from workitems.errors import DecodeError, NotFoundError, StoreUnavailableError
from workitems.intake import Intake, Waiting
from workitems.log import get_logger
from workitems.mailstore import MailStore
from workitems.redis import BLOCK, Client
from workitems.sidecar import Stored
from workitems.store import Store
from workitems.tasks import not_cancelled

log = get_logger("reader")

#: Counted tries before a mail is published from its headers, and before not even those are given to a child.
TRIES, HEADER_TRIES = 3, 5

#: Seconds after which a mail that could be neither read nor published, for a reason that we do not know, is tried anew.
SET_ASIDE = 60.0

#: Bytes that a mail is taken to have of which nobody said it.
UNKNOWN_SIZE = 1024 * 1024

#: Seconds to take back the count of a try that was broken off.
UNCOUNT = 1.0

#: The longest wait in seconds for Redis, the disk or a reading child to serve again.
LONGEST_WAIT = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """`most` mails of `size` bytes in hand; `seconds` for a mail that failed before; `abandoned` seconds until mail is
    taken over.
    """

    most: int = 128
    size: int = 64 * 1024 * 1024
    seconds: float = 20.0
    abandoned: float = 60.0


class Reader:
    """One worker's readers. `run` goes on until it is cancelled; `finish` lets what is in hand come to its end."""

    def __init__(
        self,
        intake: Intake,
        blocking: Client,
        mailstore: MailStore,
        store: Store,
        readings: Readings,
        *,
        consumer: str,
        bounds: Bounds,
    ) -> None:
        self._intake = intake
        self._blocking = blocking
        self._mailstore = mailstore
        self._store = store
        self._readings = readings
        self._consumer = consumer
        self._bounds = bounds
        self._first: dict[str, asyncio.Task[None]] = {}
        self._room = Room(bounds.size)
        self._free = asyncio.Event()
        self._careful: deque[Waiting] = deque()
        self._aside: dict[str, float] = {}
        self._current: Waiting | None = None
        self._failed = asyncio.Event()
        self._stopping = False

    async def run(self) -> None:
        """Take and read until cancelled."""
        await self._served(self._intake.open)
        await self._served(self._left_over)
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(self._loop(self.take_once))
            lanes.create_task(self._loop(self.retry_once))
            lanes.create_task(self._loop(self._hold))

    async def finish(self, seconds: float) -> None:
        """Wait up to *seconds* for the first readings in hand, then drop them: they stay in the intake."""
        self._stopping = True
        if self._first:
            _, late = await asyncio.wait(self._first.values(), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # --- first readings ---------------------------------------------------------------------------------------------

    async def take_once(self) -> bool:
        """Take as many new mails as there is room for; False when none came within BLOCK seconds."""
        while len(self._first) > self._bounds.most // 2:  # for one by one each would cost a question of its own
            self._free.clear()
            await self._free.wait()
        try:
            room = self._bounds.most - len(self._first)
            taken = await self._intake.take(self._blocking, self._consumer, count=room, seconds=BLOCK)
        except StoreUnavailableError:
            await self._served(self._left_over)  # the answer that was lost may have given us mail
            return False
        for waiting in taken:
            self._first[waiting.entry] = asyncio.create_task(self._read_first(waiting))
        return bool(taken)

    async def _read_first(self, waiting: Waiting) -> None:
        try:
            async with self._room.of(waiting.size or UNKNOWN_SIZE):
                await self._publish(waiting, await self._read(waiting))
        except ReadFailedError as error:
            log.info("a mail could not be read at first", item=waiting.id, reason=error.reason)
            self._queue(waiting)
        except (StoreUnavailableError, SandboxUnavailableError) as error:
            log.info("a mail is left for the next start", item=waiting.id, reason=str(error))
        except Exception:
            log.exception("a mail could not be processed at first", item=waiting.id)
            self._queue(waiting)
        finally:
            del self._first[waiting.entry]
            self._free.set()

    async def _read(self, waiting: Waiting, seconds: float | None = None) -> Publication:
        versions = await self._versions(waiting)
        if not versions:
            return await self._served(lambda: without_raw(self._mailstore, waiting))
        failpoint.reach("reading")
        return await self._served(lambda: self._readings.read(versions, seconds=seconds))

    async def _versions(self, waiting: Waiting) -> list[Stored]:
        """What the mail store has; nothing when it has lost the mail."""
        try:
            return await self._served(lambda: self._mailstore.get(waiting.id))
        except (NotFoundError, DecodeError) as error:
            log.warning("mail that waits is not in the mail store", item=waiting.id, reason=str(error))
            return []

    # --- the careful lane -------------------------------------------------------------------------------------------

    async def retry_once(self) -> bool:
        """Read one mail that failed or was left; False when there was none, after a wait for one."""
        if not self._careful:
            await self._take_over()
        if not self._careful:
            self._failed.clear()
            try:
                async with asyncio.timeout(self._bounds.abandoned / 4):
                    await self._failed.wait()
            except TimeoutError:
                return False
        waiting = self._careful[0]
        held = await self._intake.holds(self._consumer, waiting.entry)
        self._careful.popleft()
        if held:
            self._current = waiting
            try:
                await self._read_carefully(waiting)
            finally:
                self._current = None
        return True

    async def _read_carefully(self, waiting: Waiting) -> None:
        before = await self._served(lambda: self._intake.tries(waiting.id))
        attempt = before + 1
        await self._served(lambda: self._intake.count(waiting, attempt))
        try:
            await self._publish(waiting, await self._tried(waiting, attempt))
        except ReadFailedError as error:
            log.info("a mail could not be read", item=waiting.id, attempt=attempt, reason=error.reason)
            self._queue(waiting)
        except asyncio.CancelledError:  # we are asked to stop: no fault of the mail's
            with contextlib.suppress(StoreUnavailableError, TimeoutError):
                async with asyncio.timeout(UNCOUNT):
                    await self._intake.count(waiting, before)
            raise
        except Exception:
            log.exception("a mail could not be processed", item=waiting.id, attempt=attempt)
            self._set_aside(waiting)

    async def _tried(self, waiting: Waiting, attempt: int) -> Publication:
        """Read it for the *attempt*-th time; the last one takes what it can get."""
        if attempt < TRIES:
            return await self._read(waiting, self._bounds.seconds)
        versions = await self._versions(waiting)
        if not versions:
            return await self._served(lambda: without_raw(self._mailstore, waiting))
        reason = "reading it ended the reading program again and again"
        if attempt > HEADER_TRIES:
            return self._readings.scan(versions, reason)
        if attempt == TRIES:
            try:
                return await self._served(lambda: self._readings.read(versions, seconds=self._bounds.seconds))
            except ReadFailedError as error:
                reason = error.reason
        log.warning("a mail is published for review, as far as it can be read", item=waiting.id, reason=reason)
        seconds = self._bounds.seconds if attempt == TRIES and len(versions) > 1 else None
        return await self._served(lambda: self._readings.salvage(versions, reason, seconds=seconds))

    def _queue(self, waiting: Waiting) -> None:
        self._careful.append(waiting)
        self._failed.set()

    def _set_aside(self, waiting: Waiting) -> None:
        """It stays ours and waits, so that one mail which we fail at cannot occupy the lane."""
        self._aside[waiting.entry] = time.monotonic() + SET_ASIDE

    async def _left_over(self) -> None:
        """Queue what this consumer took and no lane knows of: before a restart, or by an answer that was lost."""
        after = "0"
        while found := await self._intake.unfinished(self._consumer, after=after):
            after = found[-1].entry
            self._adopt(found)

    async def _take_over(self) -> None:
        """Queue what others abandoned; what was set aside comes back the same way, since it is ours and lies idle."""
        for entry in [entry for entry, due in self._aside.items() if due <= time.monotonic()]:
            del self._aside[entry]
        self._adopt(await self._intake.abandoned(self._consumer, idle=self._bounds.abandoned))

    def _adopt(self, found: list[Waiting]) -> None:
        known = {waiting.entry for waiting in self._careful} | self._first.keys() | self._aside.keys()
        for waiting in found:
            if waiting.entry not in known and (self._current is None or waiting.entry != self._current.entry):
                self._queue(waiting)

    async def _hold(self) -> bool:
        """Keep other workers from taking for abandoned what is being read here."""
        current = [self._current.entry] if self._current else []
        await self._intake.hold(self._consumer, [*self._first, *current])
        await asyncio.sleep(self._bounds.abandoned / 4)
        return True

    # --- both -------------------------------------------------------------------------------------------------------

    async def _publish(self, waiting: Waiting, found: Publication) -> None:
        """Store the reading, then publish it and acknowledge the entry in one step; waits while neither can be done."""
        failpoint.reach("read")
        if found.raws:
            await self._served(lambda: self._mailstore.put_reading(waiting.id, found.reading, found.attachments))
        failpoint.reach("acknowledge")
        published = await self._served(
            lambda: self._store.publish(
                waiting.id,
                waiting.mailbox,
                found.machine,
                raws=found.raws,
                entry=waiting.entry,
                message_id=found.message_id,
                references=found.references,
                status=found.status,
                quarantined=found.quarantined,
            )
        )
        failpoint.reach("published")
        log.debug("published", item=waiting.id, outcome=published.outcome)
        if published.outcome == "gone":  # removed while we read it: what we stored must not stay
            await self._served(lambda: self._mailstore.remove(waiting.id))
        if published.outcome == "stale" and waiting.entry:
            # A version of this mail that came meanwhile was faster, and our reading has covered its reading.
            await self._publish(replace(waiting, entry=""), await self._read(waiting))
        elif published.outcome == "renewed" and found.raws:
            # An older version may have stored its reading between our two steps.
            await self._served(lambda: self._mailstore.put_reading(waiting.id, found.reading, found.attachments))

    async def _served(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do *step* until Redis, the disk and the children serve it: that they do not is no fault of a mail's."""
        tries = 0
        while True:
            try:
                return await step()
            except (StoreUnavailableError, SandboxUnavailableError) as error:
                if self._stopping:
                    raise
                if tries == 0:
                    log.warning("reading waits", reason=str(error))
            await asyncio.sleep(delay(tries, cap=LONGEST_WAIT))
            tries += 1

    async def _loop(self, step: Callable[[], Awaitable[bool]]) -> None:
        """Step for ever. An error that we do not know ends the step and not the loop."""
        tries = 0
        while not_cancelled():
            try:
                await step()
                if tries:
                    log.info("reading goes on")
                tries = 0
                continue
            except StoreUnavailableError as error:
                if tries == 0:
                    log.warning("reading waits", reason=str(error))
            except Exception:
                log.exception("a step of reading failed")
            await asyncio.sleep(delay(tries, cap=LONGEST_WAIT))
            tries += 1

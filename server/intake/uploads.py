"""Uploaded bodies: received in pieces, composed into a mail if needed, and put into the intake."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from server.http.json_body import count_json_marks
from server.intake import compose_child
from server.intake.compose_child import ComposeRequest, ComposeResult, MailTooLargeError, compose_mail
from server.intake.upload_budget import UploadBudget
from workitems.base.errors import IntakeFullError, InvalidChangeError, StoreUnavailableError
from workitems.base.log import get_logger
from workitems.base.threads import Threads
from workitems.confinement import start
from workitems.confinement.short_child import PROGRAM, ChildEndedError, ask_short_child
from workitems.intake import identity
from workitems.intake.origin import MailOrigin
from workitems.intake.put import Intake, PutResult
from workitems.intake.spool import Spool, SpooledMail, SpoolFile, scan_file

log = get_logger("intake")

#: Bytes of a body that stays in memory and is composed in a thread; a child costs 0.1 s of CPU.
MAX_MEMORY_BYTES = 512 * 1024

#: JSON with more brackets, commas and quotes goes to a child. A thread parses this many in a few milliseconds, in which
#: no other thread can run.
MANY_MARKS = 20_000

#: How many bodies of the largest size a process receives at a time.
CONCURRENT_UPLOADS = 4

#: How many compose children run at a time: for trusted senders (True), and for unknown ones, whose forms can be slow.
CHILDREN = {True: 2, False: 1}

#: Seconds for a child, the wait for its turn included.
CHILD_TIMEOUT = 60.0

#: Threads that compose small bodies, and seconds for one, the wait for its turn included.
THREADS, COMPOSE_TIMEOUT = 2, 30.0

_TOO_LONG = "composing an uploaded mail takes too long"

#: Bytes of a child's answer at most.
_MAX_ANSWER = 256 * 1024

_PROGRAM = PROGRAM.format(compose_child.__name__)


@dataclass(frozen=True, slots=True)
class UploadedMail:
    """A whole mail: bytes if it is small, else a file."""

    raw: bytes | SpooledMail

    @property
    def size(self) -> int:
        return len(self.raw) if isinstance(self.raw, bytes) else self.raw.size

    @property
    def head(self) -> bytes:
        """Its first bytes: as many as the item id is computed from."""
        return self.raw if isinstance(self.raw, bytes) else self.raw.head

    @property
    def fingerprint(self) -> str:
        return identity.fingerprint(self.raw) if isinstance(self.raw, bytes) else self.raw.fingerprint


class UploadBody:
    """The body of a request while it is received: in memory up to `max_memory_bytes`, then in the spool."""

    def __init__(self, spool: Spool) -> None:
        self.size = 0
        self.max_memory_bytes = MAX_MEMORY_BYTES
        self._spool = spool
        self._pieces: list[bytes] = []
        self._draft: SpoolFile | None = None
        self._discarded = False

    async def add(self, piece: bytes) -> None:
        """Store *piece*; return when the next one may come. Raise StoreUnavailableError."""
        self.size += len(piece)
        if self._draft is None and self.size <= self.max_memory_bytes:
            self._pieces.append(piece)
            return
        if self._draft is None:
            draft = await self._spool.create_file()
            if self._discarded:
                self._spool.discard_later(draft)
                return
            self._draft, piece = draft, b"".join([*self._pieces, piece])
            self._pieces.clear()
        await self._spool.run_in_thread(self._draft.write, piece)

    async def to_mail(self) -> UploadedMail:
        """Return the whole body as a mail. Raise StoreUnavailableError."""
        if self._draft is None:
            return UploadedMail(b"".join(self._pieces))
        return UploadedMail(await self._spool.run_in_thread(self._draft.seal))

    def discard(self) -> None:
        """Free the memory and the file; may be called at any time and more than once."""
        self._discarded = True
        self._pieces.clear()
        if self._draft is not None:
            self._spool.discard_later(self._draft)


class Uploads:
    """Composes uploaded bodies and puts them; at most *most* mails may wait, each of at most *largest* bytes."""

    def __init__(self, spool: Spool, intake: Intake, *, most: int, largest: int) -> None:
        self.spool = spool
        all_bytes = CONCURRENT_UPLOADS * largest
        #: For trusted senders, who reserve as much as they announce; unknown ones cannot use any of it.
        self.known_budget = UploadBudget(all_bytes)
        #: For unknown senders; one network can use half of it.
        self.unknown_budget = UploadBudget(all_bytes, all_bytes // 2)
        self._intake = intake
        self._most = most
        self._threads = Threads(THREADS, "compose")
        self._turns = {trusted: asyncio.Semaphore(children) for trusted, children in CHILDREN.items()}
        self._has_warned = False

    def close(self) -> None:
        """Wait for the mails that are being composed."""
        self._threads.close()

    async def check_capacity(self) -> None:
        """Raise IntakeFullError or StoreUnavailableError if a mail could not be put; for use before its body comes."""
        await self._intake.require_safe()
        await self._intake.reconcile()
        if await self._intake.count_waiting() >= self._most:
            raise IntakeFullError(f"{self._most} mails wait to be read already")

    @asynccontextmanager
    async def compose(
        self, request: ComposeRequest, body: UploadedMail, *, trusted: bool = True
    ) -> AsyncIterator[tuple[UploadedMail, ComposeResult]]:
        """Compose the mail that *body* describes; its file exists until the block ends.

        *trusted* says that the sender has proved who it is. Raise InvalidChangeError, MailTooLargeError, and
        StoreUnavailableError if the disk, the processes or the time do not suffice.
        """
        if isinstance(body.raw, bytes):
            async with self._composed_here(request, body.raw, trusted) as both:
                yield both
            return
        path = self.spool.path()
        try:
            found = await self._by_child(request, body.raw.path, path, self._turns[trusted])
            yield UploadedMail(await self.spool.run_in_thread(scan_file, path)), found
        finally:
            await self.spool.run_in_thread(partial(path.unlink, missing_ok=True))

    @asynccontextmanager
    async def _composed_here(
        self, request: ComposeRequest, raw: bytes, trusted: bool
    ) -> AsyncIterator[tuple[UploadedMail, ComposeResult]]:
        """Compose a small body in a thread, or in a child if it is JSON with many values."""
        if request.kind not in ("json", "postmark") or count_json_marks(raw) <= MANY_MARKS:
            try:
                composed = await self._threads.run_within(COMPOSE_TIMEOUT, _composed_small, request, raw)
            except TimeoutError:
                raise StoreUnavailableError(_TOO_LONG) from None
            yield composed
            return
        draft = await self.spool.create_file()
        try:
            await self.spool.run_in_thread(draft.write, raw)
            body = UploadedMail(await self.spool.run_in_thread(draft.seal))
            async with self.compose(request, body, trusted=trusted) as both:
                yield both
        finally:
            await self.spool.run_in_thread(draft.discard)

    async def put(self, mail: UploadedMail, origin: MailOrigin, *, fresh: bool = False) -> PutResult:
        """Put *mail*. A *fresh* one, whose id was generated here, is withdrawn if the put fails.

        Raise IntakeFullError, StoreUnavailableError.
        """
        try:
            return await self._put(mail, origin)
        except (IntakeFullError, StoreUnavailableError):
            if fresh:
                with contextlib.suppress(StoreUnavailableError):
                    item_id = identity.item_id(origin.mailbox, mail.head)
                    await self._intake.withdraw(item_id, mail.fingerprint, origin)
            raise

    async def _put(self, mail: UploadedMail, origin: MailOrigin) -> PutResult:
        origin = replace(origin, size=mail.size)
        if isinstance(mail.raw, bytes):
            return await self._intake.put(mail.raw, origin)
        return await self._intake.put_file(mail.raw.path, origin, head=mail.raw.head, fingerprint=mail.raw.fingerprint)

    async def _by_child(
        self, request: ComposeRequest, body: Path, mail: Path, turns: asyncio.Semaphore
    ) -> ComposeResult:
        try:
            async with asyncio.timeout(CHILD_TIMEOUT), turns:
                answer = await _child({
                    "request": asdict(request), "body": str(body), "mail": str(mail),
                    "memory": compose_child.MEMORY, "processor": compose_child.PROCESSOR,
                })  # fmt: skip
        except TimeoutError:
            raise StoreUnavailableError(_TOO_LONG) from None
        self._warn_of(answer.get("missing", []))
        if "composed" in answer:
            return ComposeResult.decode(answer["composed"])
        if "refused" in answer:
            raise InvalidChangeError(*answer["refused"])
        if "too_large" in answer:
            raise MailTooLargeError
        raise StoreUnavailableError(f"the mail store cannot serve: {answer.get('unavailable', 'no answer')}")

    def _warn_of(self, missing: list[str]) -> None:
        """Log once which steps of the confinement of a child are missing."""
        if missing and not self._has_warned:
            self._has_warned = True
            log.warning("this platform cannot confine composing wholly", missing=", ".join(missing), see=start.DOCUMENT)


def _composed_small(request: ComposeRequest, body: bytes) -> tuple[UploadedMail, ComposeResult]:
    mail = BytesIO()
    found = compose_mail(request, BytesIO(body), BytesIO(), mail.write)
    return UploadedMail(mail.getvalue()), found


async def _child(asked: dict[str, Any]) -> dict[str, Any]:
    """Run a compose child and return its answer. Raise InvalidChangeError if the body made the child end."""
    try:
        return await ask_short_child(_PROGRAM, asked, max_answer_bytes=_MAX_ANSWER)
    except ChildEndedError as error:
        raise InvalidChangeError(f"composing a mail from the body takes too much {error.why}") from None

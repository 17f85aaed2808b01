"""Posted bodies on their way: received in pieces, composed where that is needed, put into the intake."""

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from server import composing
from server.body import marks
from server.composing import Composed, Order, TooLargeError, composed
from workitems import identity
from workitems.errors import IntakeFullError, InvalidChangeError, StoreUnavailableError
from workitems.incoming import Arrived, Draft, Spool, survey
from workitems.intake import Intake, Origin, Receipt

#: Bytes of a body that is held in memory and worked on in a thread; a child costs a tenth of a second of processor.
SMALL = 512 * 1024

#: Marks of JSON that a thread reads, in a few milliseconds for which no other thread gets its turn; more go to a child.
MANY_MARKS = 20_000

#: Bodies of the largest size that a process receives at a time.
AT_ONCE = 4

#: Children of a process that compose at a time: for those who have shown who they are, and for strangers, whose forms
#: may be made to be slow.
CHILDREN = {True: 2, False: 1}

#: Seconds that a child may take, and that a body may wait for its turn.
PATIENCE = 60.0

#: Bytes of a child's answer.
_ANSWER = 256 * 1024

_ROOT = Path(__file__).resolve().parents[1]
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from server.composing import main; main()"


@dataclass(frozen=True, slots=True)
class Mail:
    """A whole mail: its bytes while it is small, else a file."""

    raw: bytes | Arrived

    @property
    def size(self) -> int:
        return len(self.raw) if isinstance(self.raw, bytes) else self.raw.size

    @property
    def head(self) -> bytes:
        """Its first bytes, as many as identity looks at."""
        return self.raw if isinstance(self.raw, bytes) else self.raw.head

    @property
    def fingerprint(self) -> str:
        return identity.fingerprint(self.raw) if isinstance(self.raw, bytes) else self.raw.fingerprint


class Body:
    """A request's body as it comes in: in memory up to `small` bytes, then in a draft."""

    def __init__(self, spool: Spool) -> None:
        self.size = 0
        self.small = SMALL
        self._spool = spool
        self._pieces: list[bytes] = []
        self._draft: Draft | None = None
        self._forgotten = False

    async def add(self, piece: bytes) -> None:
        """Returns when the next piece may come. Raises StoreUnavailableError."""
        self.size += len(piece)
        if self._draft is None and self.size <= self.small:
            self._pieces.append(piece)
            return
        if self._draft is None:
            draft = await self._spool.draft()
            if self._forgotten:
                self._spool.forget(draft)
                return
            self._draft, piece = draft, b"".join([*self._pieces, piece])
            self._pieces.clear()
        await self._spool.run(self._draft.write, piece)

    async def whole(self) -> Mail:
        """All of it. Raises StoreUnavailableError."""
        if self._draft is None:
            return Mail(b"".join(self._pieces))
        return Mail(await self._spool.run(self._draft.seal))

    def forget(self) -> None:
        """Let go of it, at any time and as often as one likes."""
        self._forgotten = True
        self._pieces.clear()
        if self._draft is not None:
            self._spool.forget(self._draft)


class Room:
    """How many bytes of bodies may be under way at a time, in all and from one address."""

    def __init__(self, most: int, share: int | None = None) -> None:
        self.most = most
        self.share = share or most
        self.taken = 0
        self._holders: Counter[str] = Counter()

    def take(self, size: int, address: str) -> bool:
        """Whether there is room for *size* more; then it is taken until it is given back."""
        if self.taken + size > self.most or self._holders[address] + size > self.share:
            return False
        self.taken += size
        self._holders[address] += size
        return True

    def give(self, size: int, address: str) -> None:
        """What was taken is free again."""
        self.taken -= size
        self._holders[address] -= size
        if not self._holders[address]:
            del self._holders[address]


class Desk:
    """Where posted bodies become mail that waits to be read; *most* mails may wait, each of *largest* bytes."""

    def __init__(self, spool: Spool, intake: Intake, *, most: int, largest: int) -> None:
        self.spool = spool
        #: Whoever has shown who he is takes room for all that he announced; strangers cannot fill that room, and one
        #: address of theirs not the room of all.
        self.known, self.strangers = Room(AT_ONCE * largest), Room(AT_ONCE * largest, AT_ONCE * largest // 2)
        self._intake = intake
        self._most = most
        self._turns = {trusted: asyncio.Semaphore(most) for trusted, most in CHILDREN.items()}

    async def check(self) -> None:
        """Before a body is received: raises StoreUnavailableError or IntakeFullError where it could not be put."""
        if await self._intake.waiting() >= self._most:
            raise IntakeFullError(f"{self._most} mails wait to be read already")

    @asynccontextmanager
    async def composed(self, order: Order, body: Mail, *, trusted: bool = True) -> AsyncIterator[tuple[Mail, Composed]]:
        """The mail that *body* describes, there until the block is left. *trusted*: its sender has shown who he is.

        Raises InvalidChangeError, TooLargeError, and StoreUnavailableError when a disk, a process or time is short.
        """
        if isinstance(body.raw, bytes):
            async with self._composed_here(order, body.raw, trusted) as both:
                yield both
            return
        path = self.spool.path()
        try:
            found = await self._by_child(order, body.raw.path, path, self._turns[trusted])
            yield Mail(await self.spool.run(survey, path)), found
        finally:
            await self.spool.run(partial(path.unlink, missing_ok=True))

    @asynccontextmanager
    async def _composed_here(self, order: Order, raw: bytes, trusted: bool) -> AsyncIterator[tuple[Mail, Composed]]:
        """The same for a small body: by a thread, or after all by a child where JSON has many values."""
        if order.kind not in ("json", "postmark") or marks(raw) <= MANY_MARKS:
            yield await asyncio.to_thread(_composed_small, order, raw)
            return
        draft = await self.spool.draft()
        try:
            await self.spool.run(draft.write, raw)
            async with self.composed(order, Mail(await self.spool.run(draft.seal)), trusted=trusted) as both:
                yield both
        finally:
            await self.spool.run(draft.discard)

    async def put(self, mail: Mail, origin: Origin, *, fresh: bool = False) -> Receipt:
        """Put *mail*. A *fresh* one, which nobody else can put, is taken back when it is refused.

        Raises IntakeFullError, StoreUnavailableError.
        """
        try:
            return await self._put(mail, origin)
        except (IntakeFullError, StoreUnavailableError):
            if fresh:
                with contextlib.suppress(StoreUnavailableError):
                    item_id = identity.item_id(origin.mailbox, mail.head)
                    await self._intake.withdraw(item_id, mail.fingerprint, origin)
            raise

    async def _put(self, mail: Mail, origin: Origin) -> Receipt:
        origin = replace(origin, size=mail.size)
        if isinstance(mail.raw, bytes):
            return await self._intake.put(mail.raw, origin)
        return await self._intake.put_file(mail.raw.path, origin, head=mail.raw.head, fingerprint=mail.raw.fingerprint)

    async def _by_child(self, order: Order, body: Path, mail: Path, turns: asyncio.Semaphore) -> Composed:
        try:
            async with asyncio.timeout(PATIENCE), turns:
                answer = await _child({
                    "order": asdict(order), "body": str(body), "mail": str(mail),
                    "memory": composing.MEMORY, "processor": composing.PROCESSOR,
                })  # fmt: skip
        except TimeoutError:
            raise StoreUnavailableError("composing posted mail takes too long") from None
        if "composed" in answer:
            return Composed.decode(answer["composed"])
        if "refused" in answer:
            raise InvalidChangeError(*answer["refused"])
        if "too_large" in answer:
            raise TooLargeError
        raise StoreUnavailableError(f"the mail store cannot serve: {answer.get('unavailable', 'no answer')}")


def _composed_small(order: Order, body: bytes) -> tuple[Mail, Composed]:
    mail = BytesIO()
    found = composed(order, BytesIO(body), BytesIO(), mail.write)
    return Mail(mail.getvalue()), found


async def _child(asked: dict[str, Any]) -> dict[str, Any]:
    """What a composing child answers. Raises InvalidChangeError for a body that it broke on."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-B", "-X", "utf8", "-c", _PROGRAM, str(_ROOT),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8", "TZ": "UTC"}, cwd="/", limit=_ANSWER, start_new_session=True,
    )  # fmt: skip
    try:
        told, _ = await process.communicate(json.dumps(asked).encode() + b"\n")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        why = "memory" if process.returncode == composing.EXIT_MEMORY else "time"
        raise InvalidChangeError(f"the body takes more {why} than a mail may")
    answer: dict[str, Any] = json.loads(told)
    return answer

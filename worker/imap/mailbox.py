"""What one does with an open mailbox: select, search, look at sizes, fetch, wait. Nothing of that changes a flag.

What does change the mailbox (`add_flags`, `move`) is done when it was asked for, and nothing deletes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date

from worker.imap import fetch as fetching
from worker.imap import filing
from worker.imap.account import SLOWEST_LINE, Timeouts
from worker.imap.answers import Folder, folder_of, uids_of
from worker.imap.client import GuardedProtocol
from worker.imap.errors import CommandRefusedError, ImapError, ProtocolError, TooLargeError
from worker.imap.fetch import Summary
from worker.imap.framing import UNASKED
from worker.imap.idling import idle
from worker.imap.order import Order, Reply
from worker.imap.providers import ORDINARY, Provider
from worker.imap.quoting import LARGEST_NUMBER, folder_name, search_date, uid_sets

#: The longest line of a search, in bytes: a million UIDs and more.
LONGEST_SEARCH = 16 << 20

#: What a FETCH answer may hold beside its literal (flags of many clients), in bytes.
BESIDE = 8 << 10

#: Bytes below which a message may come together with what is known of it.
SMALL = 64 << 10

#: How much more than announced a message may be: servers guess, and some rewrite mail as it is fetched.
GUESS_FACTOR, GUESS_BYTES = 2, 64 << 10


class Connection:
    """One signed-in connection. One command at a time; unusable after an error other than CommandRefusedError with NO.

    Whoever opened it calls `close` (or `logout_and_close`), whatever happened.
    """

    def __init__(self, protocol: GuardedProtocol, timeouts: Timeouts, provider: Provider = ORDINARY) -> None:
        self._protocol = protocol
        self._timeouts = timeouts
        self._provider = provider
        self._lock = asyncio.Lock()
        self._idle_works = "IDLE" in protocol.capabilities and provider.idle > 0
        self._selected: tuple[str, int] | None = None

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server can do for us who are signed in; upper case."""
        return self._protocol.capabilities

    @property
    def failure(self) -> ImapError | None:
        """Why the connection is unusable; None while it is good."""
        return self._protocol.failure

    async def select(self, folder: str) -> Folder:
        """Open *folder*, named as a person writes it. SELECT, not EXAMINE; nothing we send changes a flag.

        CommandRefusedError when there is no such folder.
        """
        async with self._command() as protocol:
            self._selected = None
            protocol.exists = 0
            order = protocol.order("SELECT", folder_name(folder))
            reply = await self._run(order, self._timeouts.select, refusal=False)
            protocol.enter(folder=reply.status == "OK")
            if reply.status != "OK":
                raise protocol.refused(f'to open the folder "{folder}"', reply)
            protocol.grown.clear()
            with self._strict():
                opened = folder_of(reply.text, reply.answers, protocol.exists)
            self._selected = folder, opened.uidvalidity
            return opened

    async def search(self, first: int, *, since: date | None = None) -> list[int]:
        """The UIDs from *first* on, ascending, each once; with *since* those that came on that day or later."""
        first = max(1, first)  # some servers refuse UID 0 for ever
        if first > LARGEST_NUMBER:
            return []
        criteria = ["UID", f"{first}:*"] + (["SINCE", search_date(since)] if since else [])
        found = await self._search(criteria, first)
        if self._protocol.grown.is_set():
            # Told with the answer or after it: many servers look for new mail only when a command ends.
            found = await self._search(criteria, first)
        return found

    async def _search(self, criteria: list[str], first: int) -> list[int]:
        async with self._command() as protocol:
            protocol.grown.clear()
            # Without CHARSET, since Exchange knows US-ASCII alone.
            order = protocol.order("SEARCH", *criteria, uid=True, total=2 * LONGEST_SEARCH, line=LONGEST_SEARCH)
            reply = await self._run(order, self._timeouts.search)
            with self._strict():
                return await uids_of(reply.answers, first)

    async def sizes(self, uids: Sequence[int]) -> dict[int, Summary]:
        """Size, arrival and flags by UID; a UID that is gone is absent. Asked in short commands."""
        found: dict[int, Summary] = {}
        for chunk, uid_set in uid_sets(sorted(set(uids))):
            reply = await self._fetch(uid_set, "(UID RFC822.SIZE INTERNALDATE FLAGS)", len(chunk) * BESIDE)
            with self._strict():
                told = await fetching.items_by_uid(reply.answers)
                found.update({uid: fetching.summary(uid, told[uid]) for uid in chunk if uid in told})
        return found

    async def fetch(self, batch: Sequence[Summary]) -> dict[int, bytes]:
        """The exact bytes of a batch of messages (`batches` cuts them), in one command.

        Absent is what the server did not give: the message is gone, or the server cannot read it (`sizes` tells which).
        Raises CommandRefusedError when the server gives none at all, TooLargeError with the UIDs of a message that is
        far longer than announced.
        """
        if not batch:
            return {}
        try:
            return await self._bodies(batch)
        except CommandRefusedError as error:
            if error.status != "NO" or len(batch) == 1 or error.code in fetching.NONE_NOW:
                raise
            return await self._one_by_one(batch, error)

    async def _one_by_one(self, batch: Sequence[Summary], refusal: CommandRefusedError) -> dict[int, bytes]:
        """One message that a server cannot read must not hide its neighbours."""
        found: dict[int, bytes] = {}
        for message in batch:
            try:
                found.update(await self._bodies([message]))
            except CommandRefusedError as error:
                if error.status != "NO" or error.code in fetching.NONE_NOW:
                    raise
        if not found:
            raise refusal
        return found

    async def _bodies(self, batch: Sequence[Summary]) -> dict[int, bytes]:
        most = {message.uid: GUESS_FACTOR * message.size + GUESS_BYTES for message in batch}
        found: dict[int, bytes] = {}
        for chunk, uid_set in uid_sets(sorted(most)):
            expected = sum(most[uid] + BESIDE for uid in chunk)
            try:
                reply = await self._fetch(uid_set, "(UID BODY.PEEK[])", expected, max(most[uid] for uid in chunk))
            except TooLargeError as error:
                raise TooLargeError(str(error), error.uids or tuple(chunk)) from None
            found.update(await self._sections(reply, b"BODY[]", chunk))
        return found

    async def fetch_small(self, uid: int) -> tuple[Summary, bytes] | None:
        """A message of less than SMALL bytes and what is known of it, in one command; None when it is not so.

        Raises as `fetch`; TooLargeError from a server that knows no partial FETCH (RFC 3501 §6.4.5).
        """
        items = f"(UID RFC822.SIZE INTERNALDATE FLAGS BODY.PEEK[]<0.{SMALL}>)"
        reply = await self._fetch(f"{uid}", items, SMALL + BESIDE, SMALL)
        with self._strict():
            told = (await fetching.items_by_uid(reply.answers)).get(uid, {})
            raw = fetching.body(told, b"BODY[]")
            if not raw or len(raw) >= SMALL or not told.get(b"RFC822.SIZE"):
                return None
            summary = fetching.summary(uid, told)
            return (summary, raw) if len(raw) >= summary.size else None  # else some servers give less than is asked for

    async def fetch_headers(self, uid: int, limit: int) -> bytes | None:
        """The first *limit* bytes of a message's header; None when the message is gone."""
        reply = await self._fetch(f"{uid}", f"(UID BODY.PEEK[HEADER]<0.{limit}>)", limit + BESIDE, limit)
        return (await self._sections(reply, b"BODY[HEADER]", [uid])).get(uid)

    async def idle(self, seconds: float, stop: asyncio.Event) -> bool:
        """Wait until the folder grows (True), *stop* is set or *seconds* are over (False); at most LONGEST_IDLE, less
        where the provider ends it sooner.

        Growth that was told since the last search counts. Only a hint: search, whatever came back. Where the server
        knows no IDLE it is mere waiting. Raises ConnectionLostError the moment the line dies.
        """
        if self._idle_works:
            seconds = min(seconds, self._provider.idle)
        async with self._command() as protocol:
            self._idle_works = await idle(protocol, seconds, stop, self._timeouts, self._idle_works)
            grown = protocol.grown.is_set()
            protocol.grown.clear()
            return grown

    async def add_flags(self, uids: Sequence[int], flag: str) -> None:
        """Set *flag* (`\\Seen`, or a keyword) on *uids*, beside what they have. Those that are gone are passed over."""
        async with self._command() as protocol:
            await filing.add_flags(protocol, uids, flag, total=self._timeouts.search)

    async def move(self, uids: Sequence[int], folder: str) -> None:
        """Move *uids* into *folder*, made when it is missing. Those that are gone are passed over.

        CommandRefusedError with the code CANNOT where the server has no way that leaves others' mail alone.
        """
        async with self._command() as protocol:
            await filing.move(protocol, uids, folder, total=self._timeouts.search)

    async def has_folder(self, folder: str) -> bool:
        """Whether there is such a folder; it is not opened."""
        async with self._command() as protocol:
            return await filing.has_folder(protocol, folder, total=self._timeouts.select)

    async def noop(self) -> None:
        """Ask for a sign of life and for news of the folder, in the way that makes this provider tell."""
        if not self._provider.renews and self._selected:
            await self._renew(*self._selected)
            return
        async with self._command() as protocol:
            await self._run(protocol.order("NOOP"), self._timeouts.noop)

    async def _renew(self, folder: str, uidvalidity: int) -> None:
        opened = await self.select(folder)
        with self._strict():
            if opened.uidvalidity != uidvalidity:  # who holds this connection counts by the old numbers
                raise ProtocolError(f'the folder "{folder}" was numbered anew')

    async def logout_and_close(self) -> None:
        """Say goodbye if the server still listens, and close in any case. Raises nothing of the server's."""
        try:
            with contextlib.suppress(ImapError, TimeoutError):
                async with asyncio.timeout(self._timeouts.logout), self._command() as protocol:
                    await self._run(protocol.order("LOGOUT"), self._timeouts.logout)
        finally:
            await self.close()

    async def close(self) -> None:
        """Abort the connection, at once and whatever runs; may be called twice."""
        await self._protocol.aclose()

    # --- one command at a time -------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _command(self) -> AsyncIterator[GuardedProtocol]:
        async with self._lock:
            yield self._protocol

    async def _run(self, order: Order, total: float, *, refusal: bool = True) -> Reply:
        quiet = min(total, self._timeouts.quiet) if order.name == "FETCH" else total
        return await self._protocol.run(order, total=total, quiet=quiet, refusal=refusal)

    async def _fetch(self, uid_set: str, items: str, expected: int, literal: int = 0) -> Reply:
        """One UID FETCH of at most *expected* bytes, and the time that so many may take."""
        async with self._command() as protocol:
            order = protocol.order("FETCH", uid_set, items, uid=True, total=expected + UNASKED, literal=literal)
            return await self._run(order, self._timeouts.fetch + expected / SLOWEST_LINE)

    async def _sections(self, reply: Reply, section: bytes, uids: Sequence[int]) -> dict[int, bytes]:
        with self._strict():
            told = await fetching.items_by_uid(reply.answers)
            found = {uid: fetching.body(told[uid], section) for uid in uids if uid in told}
        return {uid: raw for uid, raw in found.items() if raw is not None}

    @contextlib.contextmanager
    def _strict(self) -> Iterator[None]:
        """A server that makes no sense in one answer is not believed in the next: give the connection up."""
        try:
            yield
        except ProtocolError as error:
            self._protocol.fail(error)
            raise

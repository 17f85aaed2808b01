"""One signed-in connection and what can be done with it: select, search, fetch, wait. None of these changes a flag.

Only `add_flags` and `move` change the mailbox. Nothing deletes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date

from worker.imap import fetch_response as fetching
from worker.imap import mailbox_changes
from worker.imap.account import MIN_BYTES_PER_SECOND, Timeouts
from worker.imap.client import GuardedProtocol
from worker.imap.command import CommandResult, ImapCommand
from worker.imap.errors import CommandRefusedError, ImapError, LiteralTooLargeError, ProtocolError
from worker.imap.fetch_response import Summary
from worker.imap.framing import MAX_UNSOLICITED_BYTES
from worker.imap.idle_wait import idle
from worker.imap.quirks import NO_QUIRKS, ServerQuirks
from worker.imap.quoting import MAX_NUMBER, encode_folder_name, format_search_date, split_uid_sets
from worker.imap.responses import Folder, parse_search, parse_select

#: The longest line of a SEARCH response in bytes: more than a million UIDs.
LONGEST_SEARCH = 16 << 20

#: What a FETCH response may hold besides its literal (flags of many clients), in bytes.
FETCH_OVERHEAD_BYTES = 8 << 10

#: Bytes below which a message is fetched together with its summary.
SMALL_MAIL_BYTES = 64 << 10

#: How much larger than announced a message may be: servers guess, and some rewrite mail while it is fetched.
GUESS_FACTOR, GUESS_BYTES = 2, 64 << 10


class Connection:
    """One signed-in connection. One command at a time; unusable after an error other than CommandRefusedError with NO.

    The caller that opened it must call `close` or `logout_and_close` in any case.
    """

    def __init__(self, protocol: GuardedProtocol, timeouts: Timeouts, quirks: ServerQuirks = NO_QUIRKS) -> None:
        self._protocol = protocol
        self._timeouts = timeouts
        self._quirks = quirks
        self._lock = asyncio.Lock()
        self._has_idle = "IDLE" in protocol.capabilities and quirks.max_idle_seconds > 0
        self._selected: tuple[str, int] | None = None

    @property
    def capabilities(self) -> frozenset[str]:
        """The server's capabilities after the sign-in, in upper case."""
        return self._protocol.capabilities

    @property
    def failure(self) -> ImapError | None:
        """Why the connection is unusable, or None while it is usable."""
        return self._protocol.failure

    async def select(self, folder: str) -> Folder:
        """Open *folder*, named as a person writes it, with SELECT. CommandRefusedError when there is no such folder."""
        async with self._command() as protocol:
            self._selected = None
            protocol.exists = 0
            command = protocol.command("SELECT", encode_folder_name(folder))
            result = await self._run(command, self._timeouts.select, refusal=False)
            protocol.set_state(folder=result.status == "OK")
            if result.status != "OK":
                raise protocol.refusal_error(f'to open the folder "{folder}"', result)
            protocol.grown.clear()
            with self._failing_on_nonsense():
                opened = parse_select(result.text, result.responses, protocol.exists)
            self._selected = folder, opened.uidvalidity
            return opened

    async def search(self, first: int, *, since: date | None = None) -> list[int]:
        """Return the UIDs from *first* on, ascending, each once; with *since* those of that day or later."""
        first = max(1, first)  # some servers refuse UID 0
        if first > MAX_NUMBER:
            return []
        criteria = ["UID", f"{first}:*"] + (["SINCE", format_search_date(since)] if since else [])
        found = await self._search(criteria, first)
        if self._protocol.grown.is_set():
            # Announced with the response or after it: many servers look for new mail only when a command ends.
            found = await self._search(criteria, first)
        return found

    async def _search(self, criteria: list[str], first: int) -> list[int]:
        async with self._command() as protocol:
            protocol.grown.clear()
            # Without CHARSET, since Exchange knows only US-ASCII.
            command = protocol.command("SEARCH", *criteria, uid=True, total=2 * LONGEST_SEARCH, line=LONGEST_SEARCH)
            result = await self._run(command, self._timeouts.search)
            with self._failing_on_nonsense():
                return await parse_search(result.responses, first)

    async def fetch_summaries(self, uids: Sequence[int]) -> dict[int, Summary]:
        """Return size, INTERNALDATE and flags by UID, without UIDs that are gone. Sends short commands."""
        found: dict[int, Summary] = {}
        for chunk, uid_set in split_uid_sets(sorted(set(uids))):
            result = await self._fetch(
                uid_set, "(UID RFC822.SIZE INTERNALDATE FLAGS)", len(chunk) * FETCH_OVERHEAD_BYTES
            )
            with self._failing_on_nonsense():
                items = await fetching.parse_fetch(result.responses)
                found.update({uid: fetching.parse_summary(uid, items[uid]) for uid in chunk if uid in items})
        return found

    async def fetch(self, batch: Sequence[Summary]) -> dict[int, bytes]:
        """Return the exact bytes of a batch of messages (from `split_batches`) by UID, fetched with one command.

        A message that the server did not give is missing: it is gone, or the server cannot read it (`fetch_summaries`
        shows which). Raises CommandRefusedError when the server gives none at all, and LiteralTooLargeError with the
        UIDs of a message that is far larger than announced.
        """
        if not batch:
            return {}
        try:
            return await self._bodies(batch)
        except CommandRefusedError as error:
            if error.status != "NO" or len(batch) == 1 or error.code in fetching.TRANSIENT_CODES:
                raise
            return await self._one_by_one(batch, error)

    async def _one_by_one(self, batch: Sequence[Summary], refusal: CommandRefusedError) -> dict[int, bytes]:
        """Fetch each message alone: one that the server cannot read must not stop the others."""
        found: dict[int, bytes] = {}
        for message in batch:
            try:
                found.update(await self._bodies([message]))
            except CommandRefusedError as error:
                if error.status != "NO" or error.code in fetching.TRANSIENT_CODES:
                    raise
        if not found:
            raise refusal
        return found

    async def _bodies(self, batch: Sequence[Summary]) -> dict[int, bytes]:
        limits = {message.uid: GUESS_FACTOR * message.size + GUESS_BYTES for message in batch}
        found: dict[int, bytes] = {}
        for chunk, uid_set in split_uid_sets(sorted(limits)):
            expected = sum(limits[uid] + FETCH_OVERHEAD_BYTES for uid in chunk)
            try:
                result = await self._fetch(uid_set, "(UID BODY.PEEK[])", expected, max(limits[uid] for uid in chunk))
            except LiteralTooLargeError as error:
                raise LiteralTooLargeError(str(error), error.uids or tuple(chunk)) from None
            found.update(await self._sections(result, b"BODY[]", chunk))
        return found

    async def fetch_small(self, uid: int) -> tuple[Summary, bytes] | None:
        """Fetch a message of less than SMALL_MAIL_BYTES and its summary in one command. None when it is larger or gone.

        Raises as `fetch`; LiteralTooLargeError from a server without partial FETCH (RFC 3501 §6.4.5).
        """
        items = f"(UID RFC822.SIZE INTERNALDATE FLAGS BODY.PEEK[]<0.{SMALL_MAIL_BYTES}>)"
        result = await self._fetch(f"{uid}", items, SMALL_MAIL_BYTES + FETCH_OVERHEAD_BYTES, SMALL_MAIL_BYTES)
        with self._failing_on_nonsense():
            given = (await fetching.parse_fetch(result.responses)).get(uid, {})
            raw = fetching.section_bytes(given, b"BODY[]")
            if not raw or len(raw) >= SMALL_MAIL_BYTES or not given.get(b"RFC822.SIZE"):
                return None
            summary = fetching.parse_summary(uid, given)
            return (summary, raw) if len(raw) >= summary.size else None  # some servers give less than was asked for

    async def fetch_headers(self, uid: int, limit: int) -> bytes | None:
        """Return the first *limit* bytes of a message's header, or None when the message is gone."""
        result = await self._fetch(f"{uid}", f"(UID BODY.PEEK[HEADER]<0.{limit}>)", limit + FETCH_OVERHEAD_BYTES, limit)
        return (await self._sections(result, b"BODY[HEADER]", [uid])).get(uid)

    async def idle(self, seconds: float, stop: asyncio.Event) -> bool:
        """Wait until the folder grows (True), *stop* is set or *seconds* are over (False); at limits LONGEST_IDLE, less
        where the provider ends it sooner.

        Growth that was announced since the last search counts. Both results are only a hint: search in any case.
        Without IDLE this only waits. Raises ConnectionLostError as soon as the connection ends.
        """
        if self._has_idle:
            seconds = min(seconds, self._quirks.max_idle_seconds)
        async with self._command() as protocol:
            self._has_idle = await idle(protocol, seconds, stop, self._timeouts, self._has_idle)
            grown = protocol.grown.is_set()
            protocol.grown.clear()
            return grown

    async def add_flags(self, uids: Sequence[int], flag: str) -> None:
        """Add *flag* (`\\Seen`, or a keyword) to *uids*. Those that are gone are skipped."""
        async with self._command() as protocol:
            await mailbox_changes.add_flags(protocol, uids, flag, total=self._timeouts.search)

    async def move(self, uids: Sequence[int], folder: str) -> None:
        """Move *uids* into *folder*, which is created when it is missing. Those that are gone are skipped.

        CommandRefusedError with the code CANNOT where the server cannot move them without expunging other mail.
        """
        async with self._command() as protocol:
            await mailbox_changes.move(protocol, uids, folder, total=self._timeouts.search)

    async def has_folder(self, folder: str) -> bool:
        """Return whether there is such a folder. It is not opened."""
        async with self._command() as protocol:
            return await mailbox_changes.has_folder(protocol, folder, total=self._timeouts.select)

    async def noop(self) -> None:
        """Check the connection and ask for news of the folder, in the way that works with this provider."""
        if not self._quirks.has_noop_updates and self._selected:
            await self.reselect()
            return
        async with self._command() as protocol:
            await self._run(protocol.command("NOOP"), self._timeouts.noop)

    async def reselect(self) -> Folder:
        """Select the folder again, for its current UIDNEXT. Search after it: earlier news of growth is forgotten.

        ProtocolError where the folder has another UIDVALIDITY, since the caller uses UIDs of the old one.
        """
        if self._selected is None:
            raise ProtocolError("no folder is selected")
        folder, uidvalidity = self._selected
        opened = await self.select(folder)
        with self._failing_on_nonsense():
            if opened.uidvalidity != uidvalidity:
                raise ProtocolError(f'the folder "{folder}" was numbered anew')
        return opened

    async def logout_and_close(self) -> None:
        """Log out if the connection is usable, and close it in any case. Raises no ImapError."""
        try:
            with contextlib.suppress(ImapError, TimeoutError):
                async with asyncio.timeout(self._timeouts.logout), self._command() as protocol:
                    await self._run(protocol.command("LOGOUT"), self._timeouts.logout)
        finally:
            await self.close()

    async def close(self) -> None:
        """Abort the connection at once, whatever runs. May be called twice."""
        await self._protocol.aclose()

    # --- one command at a time -------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _command(self) -> AsyncIterator[GuardedProtocol]:
        async with self._lock:
            yield self._protocol

    async def _run(self, command: ImapCommand, total: float, *, refusal: bool = True) -> CommandResult:
        quiet = min(total, self._timeouts.read) if command.name == "FETCH" else total
        return await self._protocol.run(command, total_seconds=total, read_seconds=quiet, refusal=refusal)

    async def _fetch(self, uid_set: str, items: str, expected: int, literal: int = 0) -> CommandResult:
        """Send one UID FETCH for at limits *expected* bytes, with a time-out for so many."""
        async with self._command() as protocol:
            command = protocol.command(
                "FETCH", uid_set, items, uid=True, total=expected + MAX_UNSOLICITED_BYTES, literal=literal
            )
            return await self._run(command, self._timeouts.fetch + expected / MIN_BYTES_PER_SECOND)

    async def _sections(self, result: CommandResult, section: bytes, uids: Sequence[int]) -> dict[int, bytes]:
        with self._failing_on_nonsense():
            items = await fetching.parse_fetch(result.responses)
            found = {uid: fetching.section_bytes(items[uid], section) for uid in uids if uid in items}
        return {uid: raw for uid, raw in found.items() if raw is not None}

    @contextlib.contextmanager
    def _failing_on_nonsense(self) -> Iterator[None]:
        """Close the connection after a response that makes no sense: later ones cannot be trusted either."""
        try:
            yield
        except ProtocolError as error:
            self._protocol.fail(error)
            raise

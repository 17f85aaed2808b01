"""aioimaplib's protocol behind a guard: imported in this folder alone.

What the guard changes, and why (each was provoked with 2.0.3; tests/worker/imap holds the proofs):

- the reader is a loop over whole answers (framing.py), since the original recurses once a line and dies at 1,000;
- a lost connection, BYE and a time-out fail the pending command at once, since the original lets it wait for ever;
- after a time-out, a cancelled command or BAD the connection is given up, since answers can no longer be told apart;
- nothing is logged, since the original builds a debug string of every mail even when nobody reads it;
- all that arrives is bounded, since the original lets the server decide about our memory.

It leans on private names of aioimaplib, so the version is pinned.
"""

import asyncio
import contextlib
import logging
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from aioimaplib.aioimaplib import AUTH, CONNECTED, NONAUTH, SELECTED, Abort, IMAP4ClientProtocol

from worker.imap.answers import capabilities_of, challenge_of
from worker.imap.errors import (
    CommandRefusedError,
    ConnectionLostError,
    ImapError,
    ProtocolError,
    TimedOutError,
    words,
)
from worker.imap.framing import Answer, Framer
from worker.imap.keepalive import keep_alive
from worker.imap.order import Order, Reply

# Its DEBUG lines hold whole mails, its INFO lines what servers push.
logging.getLogger("aioimaplib").setLevel(logging.WARNING)

#: How often a server may ask on in an AUTHENTICATE before we take it for a loop.
MOST_CHALLENGES = 3

_GREETING = re.compile(rb"\* (OK|PREAUTH|BYE)\b ?(.*)", re.IGNORECASE | re.DOTALL)
_TAGGED = re.compile(rb"([A-Z0-9]+) (OK|NO|BAD)\b ?(.*)", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(rb"\[([A-Za-z-]+)")
#: How Microsoft 365 and Gmail say with BYE that the access token's time is over.
_EXPIRED = re.compile(rb"AccessTokenExpired|Session expired", re.IGNORECASE)
_COUNT = re.compile(rb"\* (\d{1,10}) (EXISTS|EXPUNGE)\b", re.IGNORECASE)


class GuardedProtocol(IMAP4ClientProtocol):  # type: ignore[misc]  # aioimaplib carries no types
    """One connection. `run` sends a command and waits for its end; `failure` says why no further one is possible."""

    transport: Any  # None until connected

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.capabilities: frozenset[str] = frozenset()
        self.failure: ImapError | None = None
        #: Messages in the folder, as the server last said.
        self.exists = 0
        #: The folder has grown since this was last cleared.
        self.grown = asyncio.Event()
        #: Signed in by an access token: to be called when the server ends the connection because of it.
        self.token_ended: Callable[[], object] | None = None
        #: The server is in IDLE and listens for our DONE.
        self.idling = asyncio.Event()
        self._framer = Framer()
        #: No further command is possible; `failure` says why.
        self.ended = asyncio.Event()
        self._greeted = asyncio.Event()
        self._lost = asyncio.Event()
        self._sealed = False
        self._clock: asyncio.Timeout | None = None
        self._deadline = self._quiet = 0.0

    # --- what asyncio tells us -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        if self.failure:
            return
        self._put_off()
        try:
            for answer in self._framer.feed(data):
                self._take(answer)
                if self.failure:
                    return
        except ImapError as error:
            self.fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        why = f": {exc}" if exc else ""
        self.fail(ConnectionLostError(f"the server closed the connection{why}"))
        self._lost.set()

    def fail(self, error: ImapError) -> None:
        """Give the connection up, at once: whoever waits for anything gets *error*. The first reason stands."""
        if self.failure is None:
            self.failure = error
            self.ended.set()
            self._greeted.set()
            if self._pending:
                self._pending.break_off(error)
        if self.transport:
            self.transport.abort()

    async def aclose(self) -> None:
        """Abort the transport and wait until it is closed, a second at most."""
        self.fail(ConnectionLostError("the connection was closed by us"))
        if self.transport:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._lost.wait()

    # --- what the server says --------------------------------------------------------------------------------------

    @property
    def _pending(self) -> Order | None:
        return self.pending_sync_command or next(iter(self.pending_async_commands.values()), None)

    def _take(self, answer: Answer) -> None:
        line = answer[0]
        if self._sealed:
            raise ProtocolError("the server sent text after STARTTLS and before TLS: somebody may be in between")
        if self.state == CONNECTED:
            self._greet(line)
        elif line.startswith(b"* "):
            self._untagged(answer)
        elif line.startswith(b"+"):
            self._continuation(line)
        elif (tagged := _TAGGED.match(line)) and self._pending and tagged[1].decode() == self._pending.tag:
            self._sealed = tagged[2].upper() == b"OK" and self._pending.name == "STARTTLS"
            if self._sealed:  # what follows belongs to TLS
                self.transport.pause_reading()
            self._response_done(b"%s %s %s" % (tagged[1], tagged[2].upper(), tagged[3]))
            self._framer.allow()
        # Anything else is junk: it was counted by the framer, the time-out decides.

    def _greet(self, line: bytes) -> None:
        greeting = _GREETING.match(line)
        if not greeting:
            raise ProtocolError(f'no IMAP server: the first line is "{words(line)}"')
        if greeting[1].upper() == b"BYE":
            raise ConnectionLostError(f'the server does not want us: "{words(greeting[2])}"')
        self.state = AUTH if greeting[1].upper() == b"PREAUTH" else NONAUTH
        self._greeted.set()

    def _untagged(self, answer: Answer) -> None:
        line, pending = answer[0], self._pending
        if line[2:6].upper() == b"BYE " and not (pending and pending.name == "LOGOUT"):
            raise self._goodbye(line[6:])
        if count := _COUNT.match(line):
            self._count(int(count[1]), count[2].upper())
        if pending and pending.name != "IDLE":
            pending.answers.append((line[2:], *answer[1:]))

    def _goodbye(self, text: bytes) -> ConnectionLostError:
        expired = False
        if self.token_ended and _EXPIRED.search(text):
            expired = True
            self.token_ended()
        return ConnectionLostError(f'the server says goodbye: "{words(text)}"', expired=expired)

    def _count(self, number: int, what: bytes) -> None:
        """Follow the number of messages. Only growth is news: some servers repeat EXISTS without any."""
        if what == b"EXPUNGE":
            self.exists = max(0, self.exists - 1)
            return
        if number > self.exists:
            self.grown.set()
        self.exists = number

    def _continuation(self, line: bytes) -> None:
        pending = self._pending
        if pending is None:
            return
        if pending.replies:
            self.transport.write(pending.replies.popleft() + b"\r\n")
        elif pending.name == "IDLE":
            self.idling.set()
        elif pending.name == "AUTHENTICATE":
            # XOAUTH2 refuses so: the reason in Base64, and NO only after a line of ours.
            if len(pending.challenges) >= MOST_CHALLENGES:
                raise ProtocolError("the server goes on asking in AUTHENTICATE")
            pending.challenges.append(challenge_of(line[1:], pending.secrets))
            self.transport.write(pending.closing + b"\r\n")

    # --- what we say -----------------------------------------------------------------------------------------------

    def order(self, name: str, *args: str, **rest: object) -> Order:
        """A command of this connection; see Order for the rest."""
        return Order(name, self.new_tag(), *args, **rest)  # type: ignore[arg-type]

    def send(self, line: str, scrub: str | None = None) -> None:
        self.transport.write(line.encode("utf-8") + b"\r\n")

    async def greeting(self) -> None:
        """Wait for the server's first line. The caller sets the time."""
        await self._greeted.wait()
        if self.failure:
            raise self.failure

    async def run(self, order: Order, *, total: float, quiet: float, refusal: bool = True) -> Reply:
        """Send *order* and wait for its end: *total* seconds in all, *quiet* without a byte.

        NO raises CommandRefusedError unless *refusal* is False; BAD always. After BAD, a time-out or a cancelled wait
        the connection is given up.
        """
        if self.failure:
            raise ConnectionLostError(
                f"the connection is no longer usable: {self.failure}", expired=self.failure.expired
            )
        self._framer.allow(**order.allowed)
        try:
            async with self._time_limit(total, quiet):
                response = await self.execute(order)
        except TimeoutError:
            late = TimedOutError(f"{order.name} did not end within {total:g} s, or was silent for {quiet:g} s")
            self.fail(late)
            raise late from None
        except asyncio.CancelledError:
            self.fail(ConnectionLostError(f"{order.name} was cancelled"))
            raise
        except Abort as error:
            raise ImapError(str(error)) from error
        reply = Reply(response.result, response.lines[-1], order.answers)
        if reply.status == "BAD" or (reply.status == "NO" and refusal):
            raise self.refused(order.name, reply, order.secrets)
        return reply

    def refused(self, what: str, reply: Reply, secrets: Iterable[str] = ()) -> CommandRefusedError:
        """The error of a reply that is not OK; after BAD the connection is given up."""
        said, code = words(reply.text, secrets), _CODE.match(reply.text)
        error = CommandRefusedError(
            f'the server refuses {what}: {reply.status} "{said}"',
            reply.status,
            said,
            code[1].decode().upper() if code else "",
        )
        if reply.status == "BAD":
            self.fail(error)
        return error

    @contextlib.asynccontextmanager
    async def _time_limit(self, total: float, quiet: float) -> AsyncIterator[None]:
        now = asyncio.get_running_loop().time()
        self._deadline, self._quiet = now + total, quiet
        try:
            async with asyncio.timeout_at(min(self._deadline, now + quiet)) as self._clock:
                yield
        finally:
            self._clock = None

    def _put_off(self) -> None:
        """Bytes came: the silence is over, the total stays."""
        if self._clock and not self._clock.expired():
            self._clock.reschedule(min(self._deadline, asyncio.get_running_loop().time() + self._quiet))

    def done(self, *, total: float) -> None:
        """End a running IDLE; its `run` returns when the server agrees, within *total* seconds."""
        self.send("DONE")
        self._deadline = asyncio.get_running_loop().time() + total
        self._put_off()

    @property
    def signed_in(self) -> bool:
        """Whether the server knows who we are."""
        return self.state in (AUTH, SELECTED)

    def enter(self, *, folder: bool) -> None:
        """Note that we are signed in, and whether a folder is selected: aioimaplib checks commands against it."""
        self.state = SELECTED if folder else AUTH

    async def ask_capabilities(self, *, total: float) -> None:
        """What the server can do, asked with a command of its own: what LOGIN's answer adds is read wrongly by many."""
        reply = await self.run(self.order("CAPABILITY"), total=total, quiet=total)
        self.capabilities = frozenset(capabilities_of(reply.answers))
        if not {"IMAP4REV1", "IMAP4REV2"} & self.capabilities:
            raise ProtocolError("the server names neither IMAP4rev1 nor IMAP4rev2 among its capabilities")

    async def start_tls(self, context: ssl.SSLContext, host: str, *, total: float) -> None:
        """Turn a plain connection into TLS; what was learnt before it is forgotten. CommandRefusedError if refused."""
        await self.run(self.order("STARTTLS"), total=total, quiet=total)
        if self.failure or self._framer.holds_some:
            raise self.failure or ProtocolError("the server sent text after STARTTLS and before TLS")
        self.transport = await asyncio.get_running_loop().start_tls(
            self.transport, self, context, server_hostname=host, ssl_handshake_timeout=total
        )
        self._sealed = False
        self.capabilities = frozenset()

"""aioimaplib's protocol with guards. Only this folder uses it.

What it changes, and why (each was provoked with 2.0.3; see tests/worker/imap):

- the reader is a loop over whole responses (framing.py), since the original recurses for each line and fails at 1,000;
- a lost connection, BYE and a time-out fail the pending command at once, since the original lets it wait for ever;
- after a time-out, a cancelled command or BAD the connection is closed, since responses can no longer be assigned;
- nothing is logged, since the original builds a debug string of every mail even when nobody reads it;
- all that arrives is limited, since the original lets the server decide about our memory.

It uses private names of aioimaplib, so the version is pinned.
"""

import asyncio
import contextlib
import logging
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from aioimaplib.aioimaplib import AUTH, CONNECTED, NONAUTH, SELECTED, Abort, IMAP4ClientProtocol

from worker.imap.command import CommandResult, ImapCommand
from worker.imap.errors import (
    CommandRefusedError,
    ConnectionLostError,
    ImapError,
    ProtocolError,
    TimedOutError,
    printable_text,
)
from worker.imap.framing import Framer, ServerResponse
from worker.imap.keepalive import keep_alive
from worker.imap.responses import decode_challenge, parse_capabilities

# Its DEBUG lines hold whole mails, its INFO lines unsolicited responses.
logging.getLogger("aioimaplib").setLevel(logging.WARNING)

#: How many challenges of one AUTHENTICATE are answered before we take it for a loop.
MAX_CHALLENGES = 3

_GREETING = re.compile(rb"\* (OK|PREAUTH|BYE)\b ?(.*)", re.IGNORECASE | re.DOTALL)
_TAGGED = re.compile(rb"([A-Z0-9]+) (OK|NO|BAD)\b ?(.*)", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(rb"\[([A-Za-z-]+)")
#: How Microsoft 365 and Gmail say with BYE that the access token has expired.
_EXPIRED = re.compile(rb"AccessTokenExpired|Session expired", re.IGNORECASE)
_COUNT = re.compile(rb"\* (\d{1,10}) (EXISTS|EXPUNGE)\b", re.IGNORECASE)


class GuardedProtocol(IMAP4ClientProtocol):  # type: ignore[misc]  # aioimaplib carries no types
    """One connection. `run` sends a command and waits for its end. `failure` says why no further one is possible."""

    transport: Any  # None until connected

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.capabilities: frozenset[str] = frozenset()
        self.failure: ImapError | None = None
        #: The number of messages in the folder, as the server last text.
        self.exists = 0
        #: The folder has grown since this was last cleared.
        self.grown = asyncio.Event()
        #: After a sign-in by token: called when the server ends the connection because the token expired.
        self.on_token_expired: Callable[[], object] | None = None
        #: The server is in IDLE and waits for our DONE.
        self.idle_started = asyncio.Event()
        self._framer = Framer()
        #: No further command is possible; `failure` says why.
        self.ended = asyncio.Event()
        self._greeted = asyncio.Event()
        self._lost = asyncio.Event()
        self._awaits_tls = False
        self._clock: asyncio.Timeout | None = None
        self._deadline = self._quiet = 0.0

    # --- calls from asyncio ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        if self.failure:
            return
        self._extend_deadline()
        try:
            for response in self._framer.feed(data):
                self._handle_response(response)
                if self.failure:
                    return
        except ImapError as error:
            self.fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        why = f": {exc}" if exc else ""
        self.fail(ConnectionLostError(f"the server closed the connection{why}"))
        self._lost.set()

    def fail(self, error: ImapError) -> None:
        """Close the connection at once: every waiting caller gets *error*. The first error is kept."""
        if self.failure is None:
            self.failure = error
            self.ended.set()
            self._greeted.set()
            if self._pending:
                self._pending.fail(error)
        if self.transport:
            self.transport.abort()

    async def aclose(self) -> None:
        """Abort the transport and wait until it is closed, at most one second."""
        self.fail(ConnectionLostError("the connection was closed by us"))
        if self.transport:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._lost.wait()

    # --- from the server -------------------------------------------------------------------------------------------

    @property
    def _pending(self) -> ImapCommand | None:
        return self.pending_sync_command or next(iter(self.pending_async_commands.values()), None)

    def _handle_response(self, response: ServerResponse) -> None:
        line = response[0]
        if self._awaits_tls:
            raise ProtocolError("the server sent text after STARTTLS and before TLS: somebody may be in between")
        if self.state == CONNECTED:
            self._greet(line)
        elif line.startswith(b"* "):
            self._untagged(response)
        elif line.startswith(b"+"):
            self._continuation(line)
        elif (tagged := _TAGGED.match(line)) and self._pending and tagged[1].decode() == self._pending.tag:
            self._awaits_tls = tagged[2].upper() == b"OK" and self._pending.name == "STARTTLS"
            if self._awaits_tls:  # what follows belongs to TLS
                self.transport.pause_reading()
            self._response_done(b"%s %s %s" % (tagged[1], tagged[2].upper(), tagged[3]))
            self._framer.set_limits()
        # Ignore anything else: the framer has counted it, and the time-out ends it.

    def _greet(self, line: bytes) -> None:
        greeting = _GREETING.match(line)
        if not greeting:
            raise ProtocolError(f'no IMAP server: the first line is "{printable_text(line)}"')
        if greeting[1].upper() == b"BYE":
            raise ConnectionLostError(f'the server refuses the connection: "{printable_text(greeting[2])}"')
        self.state = AUTH if greeting[1].upper() == b"PREAUTH" else NONAUTH
        self._greeted.set()

    def _untagged(self, response: ServerResponse) -> None:
        line, pending = response[0], self._pending
        if line[2:6].upper() == b"BYE " and not (pending and pending.name == "LOGOUT"):
            raise self._bye_error(line[6:])
        if count := _COUNT.match(line):
            self._count(int(count[1]), count[2].upper())
        if pending and pending.name != "IDLE":
            pending.responses.append((line[2:], *response[1:]))

    def _bye_error(self, text: bytes) -> ConnectionLostError:
        expired = False
        if self.on_token_expired and _EXPIRED.search(text):
            expired = True
            self.on_token_expired()
        return ConnectionLostError(f'the server ended the connection: "{printable_text(text)}"', expired=expired)

    def _count(self, number: int, what: bytes) -> None:
        """Keep the number of messages. Only growth is news: some servers repeat EXISTS without new mail."""
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
        if pending.continuations:
            self.transport.write(pending.continuations.popleft() + b"\r\n")
        elif pending.name == "IDLE":
            self.idle_started.set()
        elif pending.name == "AUTHENTICATE":
            # XOAUTH2 refuses in this way: the reason in Base64, and NO only after a line from us.
            if len(pending.challenges) >= MAX_CHALLENGES:
                raise ProtocolError("the server goes on asking in AUTHENTICATE")
            pending.challenges.append(decode_challenge(line[1:], pending.secrets))
            self.transport.write(pending.challenge_response + b"\r\n")

    # --- to the server ---------------------------------------------------------------------------------------------

    def command(self, name: str, *args: str, **rest: object) -> ImapCommand:
        """Make a command for this connection; see ImapCommand for the rest."""
        return ImapCommand(name, self.new_tag(), *args, **rest)  # type: ignore[arg-type]

    def send(self, line: str, scrub: str | None = None) -> None:
        self.transport.write(line.encode("utf-8") + b"\r\n")

    async def wait_for_greeting(self) -> None:
        """Wait for the server's first line. The caller sets the time-out."""
        await self._greeted.wait()
        if self.failure:
            raise self.failure

    async def run(
        self, command: ImapCommand, *, total_seconds: float, read_seconds: float, refusal: bool = True
    ) -> CommandResult:
        """Send *command* and wait for its end: *total_seconds* in all, *read_seconds* without a byte.

        NO raises CommandRefusedError unless *refusal* is False; BAD always does. After BAD, a time-out or a cancelled
        wait the connection is closed.
        """
        if self.failure:
            raise ConnectionLostError(
                f"the connection is no longer usable: {self.failure}", expired=self.failure.is_token_expired
            )
        self._framer.set_limits(**command.limits)
        try:
            async with self._time_limit(total_seconds, read_seconds):
                response = await self.execute(command)
        except TimeoutError:
            error = TimedOutError(
                f"{command.name} did not end within {total_seconds:g} s, or was silent for {read_seconds:g} s"
            )
            self.fail(error)
            raise error from None
        except asyncio.CancelledError:
            self.fail(ConnectionLostError(f"{command.name} was cancelled"))
            raise
        except Abort as error:
            raise ImapError(str(error)) from error
        result = CommandResult(response.result, response.lines[-1], command.responses)
        if result.status == "BAD" or (result.status == "NO" and refusal):
            raise self.refusal_error(command.name, result, command.secrets)
        return result

    def refusal_error(self, what: str, result: CommandResult, secrets: Iterable[str] = ()) -> CommandRefusedError:
        """Return the error for a result that is not OK. After BAD the connection is closed."""
        text, code = printable_text(result.text, secrets), _CODE.match(result.text)
        error = CommandRefusedError(
            f'the server refuses {what}: {result.status} "{text}"',
            result.status,
            text,
            code[1].decode().upper() if code else "",
        )
        if result.status == "BAD":
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

    def _extend_deadline(self) -> None:
        """Bytes came: start the read time-out again. The total time-out stays."""
        if self._clock and not self._clock.expired():
            self._clock.reschedule(min(self._deadline, asyncio.get_running_loop().time() + self._quiet))

    def end_idle(self, *, total: float) -> None:
        """End a running IDLE. Its `run` returns when the server confirms, within *total* seconds."""
        self.send("DONE")
        self._deadline = asyncio.get_running_loop().time() + total
        self._extend_deadline()

    @property
    def is_signed_in(self) -> bool:
        """Whether we are signed in."""
        return self.state in (AUTH, SELECTED)

    def set_state(self, *, folder: bool) -> None:
        """Set that we are signed in, and whether a folder is selected: aioimaplib checks commands against this."""
        self.state = SELECTED if folder else AUTH

    async def ask_capabilities(self, *, total: float) -> None:
        """Ask for capabilities with a command of its own: those that come with the result of LOGIN are often wrong."""
        result = await self.run(self.command("CAPABILITY"), total_seconds=total, read_seconds=total)
        self.capabilities = frozenset(parse_capabilities(result.responses))
        if not {"IMAP4REV1", "IMAP4REV2"} & self.capabilities:
            raise ProtocolError("the server names neither IMAP4rev1 nor IMAP4rev2 among its capabilities")

    async def start_tls(self, context: ssl.SSLContext, host: str, *, total: float) -> None:
        """Switch to TLS by STARTTLS and forget the capabilities from before. CommandRefusedError if refused."""
        await self.run(self.command("STARTTLS"), total_seconds=total, read_seconds=total)
        if self.failure or self._framer.has_partial:
            raise self.failure or ProtocolError("the server sent text after STARTTLS and before TLS")
        self.transport = await asyncio.get_running_loop().start_tls(
            self.transport, self, context, server_hostname=host, ssl_handshake_timeout=total
        )
        self._awaits_tls = False
        self.capabilities = frozenset()

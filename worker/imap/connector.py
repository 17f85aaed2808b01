"""Opens a connection to a mailbox's server and signs in. Leaves nothing open when that fails."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator

from worker.imap.account import Account, Timeouts, tls_context, tls_mode
from worker.imap.client import GuardedProtocol
from worker.imap.connection import Connection
from worker.imap.errors import (
    CertificateRefusedError,
    CommandRefusedError,
    ConnectionLostError,
    ProtocolError,
    TimedOutError,
)
from worker.imap.login import login
from worker.imap.quirks import find_quirks

#: The time-outs for an ordinary server.
DEFAULT_TIMEOUTS = Timeouts()


async def connect(account: Account, *, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> Connection:
    """Connect, start TLS, log in, ask for capabilities. Raises an ImapError; its `permanent` says if waiting helps."""
    mode = tls_mode(account)
    if account.tokens:
        await account.tokens.access_token()  # without a token there is no reason to connect
    context = None if mode == "none" else await tls_context(account, timeouts.connect)
    protocol = GuardedProtocol(asyncio.get_running_loop())
    async with contextlib.AsyncExitStack() as on_error:
        on_error.push_async_callback(protocol.aclose)
        with _translating_errors(account):
            async with asyncio.timeout(timeouts.connect):
                await _open(protocol, account, context, mode, timeouts.connect)
        await login(protocol, account, total=timeouts.login)
        await protocol.ask_capabilities(total=timeouts.login)
        quirks = find_quirks(account.host)
        if quirks.is_id_required and "ID" in protocol.capabilities:
            command = protocol.command("ID", '("name" "Tubepost")')
            await protocol.run(command, total_seconds=timeouts.noop, read_seconds=timeouts.noop, refusal=False)
        on_error.pop_all()
    return Connection(protocol, timeouts, quirks)


async def _open(
    protocol: GuardedProtocol, account: Account, context: ssl.SSLContext | None, mode: str, total: float
) -> None:
    implicit = mode == "implicit"
    await asyncio.get_running_loop().create_connection(
        lambda: protocol,
        account.host,
        account.port,
        ssl=context if implicit else None,
        server_hostname=account.host if implicit else None,
        ssl_handshake_timeout=total if implicit else None,
    )
    await protocol.wait_for_greeting()
    if context is not None and not implicit:
        await _start_tls(protocol, account, context, total)
    await protocol.ask_capabilities(total=total)


async def _start_tls(protocol: GuardedProtocol, account: Account, context: ssl.SSLContext, total: float) -> None:
    if protocol.is_signed_in:
        raise ProtocolError(f"{account} greets with PREAUTH, which leaves no way to TLS")
    try:
        await protocol.start_tls(context, account.host, total=total)
    except CommandRefusedError as error:
        raise CommandRefusedError(
            f'{account} refuses STARTTLS: "{error.server_text}"; nothing was sent',
            error.status,
            error.server_text,
            error.code,
        ) from None


@contextlib.contextmanager
def _translating_errors(account: Account) -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise CertificateRefusedError(f"{account} shows a certificate we refuse: {error.verify_message}") from error
    except TimeoutError as error:
        raise TimedOutError(f"{account} does not answer in time") from error
    except OSError as error:
        raise ConnectionLostError(f"no connection to {account}: {error.strerror or error}") from error

"""Opens a connection to a mailbox's server, up to and including the login; leaves nothing open when it fails."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator

from worker.imap.account import Account, Timeouts, tls_context, tls_mode
from worker.imap.client import GuardedProtocol
from worker.imap.errors import (
    CertificateRefusedError,
    CommandRefusedError,
    ConnectionLostError,
    ProtocolError,
    TimedOutError,
)
from worker.imap.login import login
from worker.imap.mailbox import Connection
from worker.imap.providers import provider_of

#: The times of an ordinary server.
ORDINARY = Timeouts()


async def connect(account: Account, *, timeouts: Timeouts = ORDINARY) -> Connection:
    """Greeting, TLS, login, capabilities. Raises an ImapError: see `permanent` for whether waiting helps."""
    mode = tls_mode(account)
    if account.tokens:
        await account.tokens.access_token()  # where none is to be had, nobody is called in vain
    context = None if mode == "none" else await tls_context(account)
    protocol = GuardedProtocol(asyncio.get_running_loop())
    try:
        with _in_our_words(account):
            async with asyncio.timeout(timeouts.connect):
                await _open(protocol, account, context, mode, timeouts.connect)
        await login(protocol, account, total=timeouts.login)
        await protocol.ask_capabilities(total=timeouts.login)
        provider = provider_of(account.host)
        if provider.wants_id and "ID" in protocol.capabilities:
            order = protocol.order("ID", '("name" "Tubepost")')
            await protocol.run(order, total=timeouts.noop, quiet=timeouts.noop, refusal=False)
    except BaseException:
        await protocol.aclose()
        raise
    return Connection(protocol, timeouts, provider)


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
    await protocol.greeting()
    if context is not None and not implicit:
        await _start_tls(protocol, account, context, total)
    await protocol.ask_capabilities(total=total)


async def _start_tls(protocol: GuardedProtocol, account: Account, context: ssl.SSLContext, total: float) -> None:
    if protocol.signed_in:
        raise ProtocolError(f"{account} greets with PREAUTH, which leaves no way to TLS")
    try:
        await protocol.start_tls(context, account.host, total=total)
    except CommandRefusedError as error:
        raise CommandRefusedError(
            f'{account} refuses STARTTLS: "{error.said}"; nothing was sent', error.status, error.said, error.code
        ) from None


@contextlib.contextmanager
def _in_our_words(account: Account) -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise CertificateRefusedError(f"{account} shows a certificate we refuse: {error.verify_message}") from error
    except TimeoutError as error:
        raise TimedOutError(f"{account} does not answer in time") from error
    except OSError as error:
        raise ConnectionLostError(f"no connection to {account}: {error.strerror or error}") from error

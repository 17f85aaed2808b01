"""What is needed to open a mailbox: its server, its user, and how long each step may take."""

import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import Protocol

from worker.imap.errors import AccountError, TimedOutError
from workitems.base.threads import Threads


class AccessTokenSource(Protocol):
    """Gives the access tokens of a mailbox (RFC 6749 §1.4). All its connections share one."""

    @property
    def advice(self) -> str:
        """What a person can do when the server refuses a new token."""

    async def access_token(self) -> str:
        """Return a token that is valid for some minutes. LoginRefusedError, TokenUnavailableError, SettingsError."""

    def invalidate(self, token: str) -> None:
        """Never give *token* again: the server refuses it."""


@dataclass(frozen=True, slots=True)
class Account:
    """The server and the user of a mailbox. Never shows its password. With `tokens` there is no password."""

    host: str
    port: int
    tls: str  # "implicit", "starttls", or "none" on the loopback interface only
    user: str
    password: str = field(repr=False)
    ca_file: str | None = None  # PEM file of the authorities to trust instead of the system's
    tokens: AccessTokenSource | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that each step may take in total, even while bytes still come."""

    connect: float = 20  # address, TCP, TLS, greeting
    login: float = 20
    select: float = 60
    search: float = 120
    fetch: float = 60  # and one second more for every MIN_BYTES_PER_SECOND bytes
    noop: float = 20
    done: float = 10  # the end of an IDLE
    logout: float = 5
    read: float = 60  # without a single byte, in any command but IDLE


#: One thread for all mailboxes of the process.
_AUTHORITIES = Threads(1, "authorities")

#: The slowest transfer that a fetch waits for, in bytes a second.
MIN_BYTES_PER_SECOND = 32 * 1024


def tls_mode(account: Account) -> str:
    """Return the account's `tls`. AccountError when it is unknown, or would send the password in the clear."""
    if account.tls not in ("implicit", "starttls", "none"):
        raise AccountError(f'tls = "{account.tls}" is not known; accepted are "implicit", "starttls" and "none"')
    if account.tls == "none" and not _is_loopback(account.host):
        raise AccountError(f'tls = "none" is accepted for the loopback interface only, not for {account.host}')
    return account.tls


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def tls_context(account: Account, seconds: float) -> ssl.SSLContext:
    """Return a context that verifies chain and host name. Reading the authorities takes 20 ms: not on the loop.

    TimedOutError after *seconds*.
    """
    try:
        return await _AUTHORITIES.run_within(seconds, ssl.create_default_context, cafile=account.ca_file)
    except TimeoutError:
        raise TimedOutError(f"the authorities for {account} could not be read in time") from None
    except OSError as error:  # also ssl.SSLError: a file without a certificate
        raise AccountError(f"ca_file {account.ca_file} cannot be used: {error.strerror or error}") from error

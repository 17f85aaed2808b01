"""What is needed to open a mailbox: whose it is and where, and how long we wait for what."""

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import Protocol

from worker.imap.errors import AccountError


class AccessTokens(Protocol):
    """Where the access tokens of a mailbox come from (RFC 6749 §1.4); one for all its connections."""

    @property
    def advice(self) -> str:
        """What a person can do when the mailbox's server refuses a new token."""

    async def access_token(self) -> str:
        """A token that is good for some minutes at least. LoginRefusedError, TokenUnavailableError, SettingsError."""

    def refused(self, token: str) -> None:
        """The server does not take *token* any more: it is not given again."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where a mailbox lies and who may open it; never shows its password. With `tokens` there is none."""

    host: str
    port: int
    tls: str  # "implicit", "starttls", or "none" on the loopback interface only
    user: str
    password: str = field(repr=False)
    ca_file: str | None = None  # PEM file of the authorities to trust instead of the system's
    tokens: AccessTokens | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that each step may take in all, however steadily the server drips."""

    connect: float = 20  # address, TCP, TLS, greeting
    login: float = 20
    select: float = 60
    search: float = 120
    fetch: float = 60  # and one second more for every SLOWEST_LINE bytes
    noop: float = 20
    done: float = 10  # the end of an IDLE
    logout: float = 5
    quiet: float = 60  # without a single byte, in any command but IDLE


#: The slowest line that a fetch is patient with, in bytes a second.
SLOWEST_LINE = 32 * 1024


def tls_mode(account: Account) -> str:
    """The account's `tls`, checked. AccountError when it is misspelt, or would send the password in the clear."""
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


async def tls_context(account: Account) -> ssl.SSLContext:
    """A context that verifies chain and host name. Reading the authorities takes 20 ms: not on the loop."""
    try:
        return await asyncio.to_thread(ssl.create_default_context, cafile=account.ca_file)
    except OSError as error:  # also ssl.SSLError: a file without a certificate
        raise AccountError(f"ca_file {account.ca_file} cannot be used: {error.strerror or error}") from error

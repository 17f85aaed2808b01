"""Mailboxes by IMAP. aioimaplib (GPL-3.0-only) is imported here alone, in client.py."""

from worker.imap.account import AccessTokens, Account, Timeouts
from worker.imap.answers import Folder
from worker.imap.connect import connect
from worker.imap.errors import (
    AccountError,
    CertificateRefusedError,
    CommandRefusedError,
    ConnectionLostError,
    ImapError,
    LoginRefusedError,
    ProtocolError,
    TimedOutError,
    TokenUnavailableError,
    TooLargeError,
)
from worker.imap.fetch import NONE_NOW, Summary, batches
from worker.imap.filing import NO_WAY_TO_MOVE, can_move
from worker.imap.mailbox import Connection

__all__ = [
    "NONE_NOW",
    "NO_WAY_TO_MOVE",
    "AccessTokens",
    "Account",
    "AccountError",
    "CertificateRefusedError",
    "CommandRefusedError",
    "Connection",
    "ConnectionLostError",
    "Folder",
    "ImapError",
    "LoginRefusedError",
    "ProtocolError",
    "Summary",
    "TimedOutError",
    "Timeouts",
    "TokenUnavailableError",
    "TooLargeError",
    "batches",
    "can_move",
    "connect",
]

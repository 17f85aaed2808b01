"""Mailboxes by IMAP. Only this folder imports aioimaplib (GPL-3.0-only)."""

from worker.imap.account import AccessTokenSource, Account, Timeouts
from worker.imap.connection import Connection
from worker.imap.connector import connect
from worker.imap.errors import (
    AccountError,
    CertificateRefusedError,
    CommandRefusedError,
    ConnectionLostError,
    ImapError,
    LiteralTooLargeError,
    LoginRefusedError,
    ProtocolError,
    TimedOutError,
    TokenUnavailableError,
)
from worker.imap.fetch_response import TRANSIENT_CODES, Summary, split_batches
from worker.imap.mailbox_changes import MOVE_UNSUPPORTED, can_move
from worker.imap.responses import Folder

__all__ = [
    "MOVE_UNSUPPORTED",
    "TRANSIENT_CODES",
    "AccessTokenSource",
    "Account",
    "AccountError",
    "CertificateRefusedError",
    "CommandRefusedError",
    "Connection",
    "ConnectionLostError",
    "Folder",
    "ImapError",
    "LiteralTooLargeError",
    "LoginRefusedError",
    "ProtocolError",
    "Summary",
    "TimedOutError",
    "Timeouts",
    "TokenUnavailableError",
    "can_move",
    "connect",
    "split_batches",
]

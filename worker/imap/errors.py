"""The errors of IMAP and of signing in, divided by what the caller does next."""

from collections.abc import Iterable

from workitems.base.errors import TubepostError

#: The longest text of a server that an error carries, in characters.
MAX_TEXT_LENGTH = 200


def printable_text(raw: bytes, secrets: Iterable[str] = ()) -> str:
    """Return a server's text for an error: short, on one line, printable, and without *secrets* that it may repeat."""
    # In cut text a secret would not be found, so with secrets the whole is searched; the caller has bounded it.
    text = (raw if secrets else raw[: MAX_TEXT_LENGTH * 8]).decode("utf-8", "replace")
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "…")
    return "".join(c if c.isprintable() else "�" for c in text.strip())[:MAX_TEXT_LENGTH]


class ImapError(TubepostError):
    """Any error of a mailbox. Unless a subclass says otherwise: wait, connect again, retry."""

    #: The connection ended because the access token expired, which is normal: connect again at once.
    is_token_expired = False


class AccountError(ImapError):
    """The account's settings cannot work (unsafe `tls`, missing `ca_file` …). Nothing was sent."""

    permanent = True


class CertificateRefusedError(ImapError):
    """The server's certificate does not prove that it is the host of the account. Nothing was sent."""

    permanent = True


class LoginRefusedError(ImapError):
    """The server refuses user, password or token; `server_text` is its reason. Only a person can change that.

    `advice` says what the person can do, where more is known than to check user and password. The message ends
    with it.
    """

    permanent = True

    def __init__(self, message: str, server_text: str = "", advice: str = "") -> None:
        super().__init__(f"{message}. {advice}" if advice else message)
        self.server_text = server_text
        self.advice = advice


class TokenUnavailableError(ImapError):
    """The provider gives no access token now: it cannot be reached, is not ready, or its answer makes no sense.

    `retry_after` are the seconds that it asks us to wait, or 0.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ConnectionLostError(ImapError):
    """There is no connection, or it ended. The message holds the reason that the server gave with BYE, if any."""

    def __init__(self, message: str, *, expired: bool = False) -> None:
        super().__init__(message)
        self.is_token_expired = expired


class CommandRefusedError(ImapError):
    """The server answered NO (the connection stays usable) or BAD (it does not); `server_text` is its reason.

    `code` is the response code in brackets (RFC 5530), upper case, or "".
    """

    def __init__(self, message: str, status: str = "NO", server_text: str = "", code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.server_text = server_text
        self.code = code


class TimedOutError(ImapError):
    """No response in time, or one that came too slowly. The connection is closed."""


class ProtocolError(ImapError):
    """The server sent what RFC 3501 does not allow, or more than our limits. The connection is closed."""


class LiteralTooLargeError(ProtocolError):
    """A literal is longer than allowed. The connection is closed before it is read.

    `uids` are the messages that it may belong to: one when the server named it, else those of the batch.
    """

    def __init__(self, message: str, uids: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.uids = uids

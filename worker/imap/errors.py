"""What can go wrong between us and a mailbox's server, in the words of what the caller does next."""

from collections.abc import Iterable

from workitems.errors import TubepostError

#: The longest text of a server that an error carries, in characters.
LONGEST_WORDS = 200


def words(raw: bytes, secrets: Iterable[str] = ()) -> str:
    """What a server said, fit for an error: bounded, on one line, printable, without the *secrets* it may repeat."""
    # A secret that is cut would not be found; where one may be, the caller has bounded what it reads.
    text = (raw if secrets else raw[: LONGEST_WORDS * 8]).decode("utf-8", "replace")
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "…")
    return "".join(c if c.isprintable() else "�" for c in text.strip())[:LONGEST_WORDS]


class ImapError(TubepostError):
    """Whatever goes wrong with a mailbox. Unless a subclass says otherwise: wait, connect anew, try again."""

    #: The connection ended because the access token did, which is ordinary: connect anew at once.
    expired = False


class AccountError(ImapError):
    """The account cannot work as it is written (unsafe `tls`, no such `ca_file` …); nothing was sent."""

    permanent = True


class CertificateRefusedError(ImapError):
    """The server's certificate does not prove that it is the host we want. Nothing was sent."""

    permanent = True


class LoginRefusedError(ImapError):
    """Who we are is not believed; `said` are the server's words. Stands until a person acts.

    `advice` says what that person can do, where more is known than to look at user and password; the message ends
    with it.
    """

    permanent = True

    def __init__(self, message: str, said: str = "", advice: str = "") -> None:
        super().__init__(f"{message}. {advice}" if advice else message)
        self.said = said
        self.advice = advice


class TokenUnavailableError(ImapError):
    """The provider gives no access token now: it cannot be reached, is not ready, or makes no sense.

    `wait` are the seconds that it asks us to stay away, 0 without such a wish.
    """

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class ConnectionLostError(ImapError):
    """There is no connection, or it ended; carries the reason that the server gave with BYE, if any."""

    def __init__(self, message: str, *, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


class CommandRefusedError(ImapError):
    """The server answered NO (the connection stays good) or BAD (it does not); `said` are its words.

    `code` is the response code in brackets (RFC 5530), upper case, or "".
    """

    def __init__(self, message: str, status: str = "NO", said: str = "", code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.said = said
        self.code = code


class TimedOutError(ImapError):
    """No answer in time, or one that came too slowly. The connection is given up."""


class ProtocolError(ImapError):
    """The server says what RFC 3501 does not allow, or more than we are ready to hold. The connection is given up."""


class TooLargeError(ProtocolError):
    """A literal is longer than was announced or allowed; the connection is given up before it is read.

    `uids` are the messages that it may belong to: one when the server named it, else those of the batch.
    """

    def __init__(self, message: str, uids: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.uids = uids

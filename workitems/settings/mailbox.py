"""Settings of one mailbox."""

import re
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic import model_validator as after_all

from workitems.settings.section import Host, Section, as_tuple, matching, read_secret, read_text_file

#: An https address without user, query and fragment.
Address = Annotated[str, matching(r"https://[^\s/?#@]+(/[^\s?#]*)?", "such as https://login.example.com")]

#: A folder as a person writes it.
Folder = Annotated[str, matching(r"[^\r\n\0]{1,200}", "the name of a folder, without line ends")]

#: An address for mail; commas separate them in Redis.
MailAddress = Annotated[str, matching(r"[^\s@,<>]{1,64}@[^\s@,<>]{1,255}", "an address such as claims@example.com")]

#: An IMAP keyword: an atom (RFC 3501 §9).
_KEYWORD = r"""[^\s(){%*"\\\]\x00-\x1f\x7f-\U0010ffff]{1,100}"""


def _start(value: Any) -> Any:
    if value in ("now", "all"):
        return value
    if isinstance(value, date):
        return value.date() if isinstance(value, datetime) else value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("must be 'now', 'all' or a date such as 2026-03-01") from None


def _after(value: str) -> str:
    if value in ("leave", "seen") or re.fullmatch(rf"keyword:{_KEYWORD}|move:[^\r\n\0]{{1,200}}", value):
        return value
    raise ValueError("must be 'leave', 'seen', 'keyword:<name>' or 'move:<folder>'")


def _same(folder: str) -> str:
    """INBOX may be written in any case, all other folders only as they are (RFC 3501 §5.1)."""
    return folder.upper() if folder.upper() == "INBOX" else folder


class MailboxSettings(Section):
    """One mailbox that is watched."""

    host: Host
    port: int | None = Field(None, ge=1, le=65535)
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    user: str
    #: How to sign in; the latter two by OAuth (XOAUTH2).
    auth: Literal["password", "microsoft", "google"] = "password"
    password: SecretStr | None = None
    password_file: Path | None = None
    #: OAuth: the registered application.
    client_id: str | None = None
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    #: microsoft: the directory (tenant), by id or name.
    tenant: str = "organizations"
    #: OAuth: where the refresh token is kept (mode 600), written by `run.py authorize` and whenever it is rotated.
    token_file: Path | None = None
    #: Instead of the file: a command of the operator's secret store. With `get` it prints the token, with `store` it
    #: reads the token from its standard input.
    token_command: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    #: The provider's address, when it is not the usual one: national clouds, tests.
    authority: Address | None = None
    #: A file of certificates to trust instead of the system's.
    ca_file: Path | None = None
    #: The folders that are watched: one, or a list.
    folders: Annotated[tuple[Folder, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=20)] = ("INBOX",)
    #: Other addresses of the team: they take part in every conversation, and so say nothing about where a mail belongs.
    addresses: Annotated[tuple[MailAddress, ...], BeforeValidator(as_tuple), Field(max_length=100)] = ()
    #: Where the team's mail program stores sent mail; these answers join their submissions.
    sent_folder: Folder | None = None
    start: Annotated[Literal["now", "all"] | date, BeforeValidator(_start)] = "now"
    #: What is done to a mail in its mailbox: `leave`, `seen`, `keyword:<name>` or `move:<folder>`. Nothing is deleted.
    after_action: Annotated[str, AfterValidator(_after)] = "leave"
    #: When it is done.
    after_action_on: Literal["published", "done"] = "published"
    #: The server that receives the mail, as its Authentication-Results fields name it; only these are believed.
    authentication_server: Host | None = None
    #: Seconds between full checks; IDLE is only a hint.
    poll_seconds: float = Field(60.0, ge=1, le=3600)

    @after_all(mode="after")
    def _is_consistent(self) -> "MailboxSettings":
        oauth = (
            self.client_id,
            self.client_secret,
            self.client_secret_file,
            self.token_file,
            self.token_command or None,
        )
        if self.auth == "password":
            if (self.password is None) == (self.password_file is None):
                raise ValueError("set exactly one of password (also by the environment) and password_file")
            if any(each is not None for each in oauth):
                raise ValueError("client_* and token_* are for auth = 'microsoft' and 'google'")
        else:
            self._check_oauth()
        if self.tls == "none" and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("tls = 'none' is accepted for this machine's own addresses only")
        watched = (*self.folders, *((self.sent_folder,) if self.sent_folder else ()))
        if len(set(map(_same, watched))) < len(watched):
            raise ValueError("folders and sent_folder name each folder once")
        if self.after_action.startswith("move:") and _same(self.after_action.removeprefix("move:")) in map(
            _same, watched
        ):
            raise ValueError("after_action moves mail out of the folders that are watched, into another")
        return self

    def _check_oauth(self) -> None:
        if self.password is not None or self.password_file is not None:
            raise ValueError(f"auth = '{self.auth}' needs no password")
        if not self.client_id:
            raise ValueError(f"auth = '{self.auth}' needs the client_id of a registered application")
        if self.client_secret is not None and self.client_secret_file is not None:
            raise ValueError("set client_secret or client_secret_file, not both")
        if self.token_file is not None and self.token_command:
            raise ValueError("set token_file or token_command, not both")
        keeps = self.token_file is not None or bool(self.token_command)
        secret = self.client_secret is not None or self.client_secret_file is not None
        if self.auth == "google" and not (keeps and secret):
            raise ValueError("auth = 'google' needs a client secret, and token_file or token_command")
        if self.auth == "microsoft" and not (keeps or secret):
            raise ValueError(
                "auth = 'microsoft' needs a client secret (the application's own access), or token_file or "
                "token_command (a person's, by run.py authorize)"
            )

    def moves_into(self, other: "MailboxSettings") -> bool:
        """Return whether the after-action moves mail into a folder that *other* watches."""
        target = self.after_action.removeprefix("move:") if self.after_action.startswith("move:") else ""
        same = (self.host.lower(), self.user) == (other.host.lower(), other.user)
        return same and _same(target) in map(_same, other.folders)

    @property
    def team_addresses(self) -> tuple[str, ...]:
        """The addresses of the team: the user, which is one at most providers, and those that are set."""
        return (self.user, *self.addresses)

    @property
    def effective_port(self) -> int:
        """The port: as set, else 993 for implicit TLS and 143 otherwise (RFC 8314)."""
        return self.port or (993 if self.tls == "implicit" else 143)

    def read_password(self) -> str:
        """Return the password, without a file's last line end. SettingsError when the file cannot be read."""
        return read_secret(self.password, self.password_file, "password_file")

    def read_client_secret(self) -> str | None:
        """Return the OAuth application's secret, or None. SettingsError when the file cannot be read."""
        if self.client_secret is None and self.client_secret_file is None:
            return None
        return read_secret(self.client_secret, self.client_secret_file, "client_secret_file")

    def check_files(self) -> None:
        """Raise SettingsError for a named file that is missing or cannot be used."""
        if self.auth == "password":
            self.read_password()
        else:
            self.read_client_secret()
        if self.ca_file:
            read_text_file(self.ca_file, "ca_file")

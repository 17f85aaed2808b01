"""What an operator can set: every table of `tubepost.toml` with its defaults and bounds.

`workitems.configuration` reads them; `tubepost.example.toml` shows them.
"""

import hashlib
import os
import re
import stat
import tempfile
from datetime import date, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
)
from pydantic import model_validator as after_all

from workitems.errors import SettingsError
from workitems.item import STATUSES

#: Bytes of a socket's path that every system takes.
_LONGEST_SOCKET = 100


def _plain_name(name: str) -> str:
    """Mailboxes and fields are parts of Redis keys, beside statuses, and of names in the environment."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name) or name in STATUSES:
        accepted = f"1 to 64 of a-z, 0-9, _ and -, and none of {', '.join(STATUSES)}"
        raise ValueError(f"the name {name!r:.80}: a name is {accepted}")
    return name


def _shaped(pattern: str, accepted: str) -> AfterValidator:
    """A check that a text has the form of *pattern*; *accepted* says it in words."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {accepted}")
        return text

    return AfterValidator(check)


#: A name or an IPv4 or IPv6 address.
Host = Annotated[str, _shaped(r"[^\s/:@\[\]]+|(?:[0-9a-fA-F.]*:){2,}\S*", "a name or address, without scheme or port")]


class Section(BaseModel):
    """A table of the file. Unknown names are errors, and no error ever carries the input."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


def _is_redis(url: str) -> bool:
    parts = urlsplit(url)
    try:
        _ = parts.port  # raises when it is no number: a password with an unwritten / or # looks so
    except ValueError:
        return False
    if parts.scheme == "unix":
        return bool(parts.path)
    return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and bool(re.fullmatch(r"(/\d*)?", parts.path))


class RedisSettings(Section):
    """Where work items live."""

    #: `redis://`, `rediss://` or `unix://`. None: the embedded server on a socket below `data`.
    url: SecretStr | None = None
    #: Seconds that a command may take.
    timeout: float = Field(5.0, gt=0, le=60)

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_redis(url.get_secret_value()):
            accepted = "redis://host:6379/0, rediss://… or unix:///path; special characters of a password as %XX"
            raise ValueError(f"must be such as {accepted}")
        return url


class StreamSettings(Section):
    """The event stream; seconds unless said otherwise."""

    heartbeat: float = Field(30.0, ge=0.1, le=60)
    #: A stream is asked to rotate after 0.8 to 1 times this; 0 = never. Platforms cut responses at 300 s.
    max_age: float = Field(270.0, ge=0)
    #: How long a SIGTERM spreads the rotation of the open streams.
    drain: float = Field(10.0, ge=0, le=300)
    #: Events that the feed keeps.
    history: int = Field(10_000, ge=100, le=1_000_000)
    #: Events that a returning stream is sent at most; beyond it loads the list anew.
    replay: int = Field(1_000, ge=1, le=100_000)
    #: Bytes that may wait for a slow reader before its stream is closed.
    buffer: int = Field(256 * 1024, ge=16 * 1024)
    #: How long those bytes may wait without a byte leaving.
    stall: float = Field(10.0, ge=0.5)
    #: Streams in a process, of a user, from an address, and opens a second.
    most: int = Field(10_000, ge=1)
    most_user: int = Field(10_000, ge=1)
    most_address: int = Field(10_000, ge=1)
    opens: float = Field(2_000.0, gt=0)


class ServerSettings(Section):
    """The web server. Under supervisord the socket comes from there; `host` and `port` serve a lone process."""

    host: Host = "127.0.0.1"
    port: int = Field(8888, ge=0, le=65535)
    #: Origins that may call from other sites, e.g. `https://app.example.com`.
    origins: tuple[str, ...] = ()
    #: Addresses of proxies whose X-Forwarded-For is believed.
    proxies: tuple[str, ...] = ()
    #: Signs the cookies. None: made once and kept below `data`.
    secret: SecretStr | None = None
    secret_file: Path | None = None
    #: Days that a sign-in lasts.
    session_days: float = Field(14.0, gt=0, le=365)
    #: Whether `POST /api/test/workitem` makes test items.
    test_items: bool = False

    @field_validator("proxies")
    @classmethod
    def _proxies_are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ip_network(proxy, strict=False)
            except ValueError:
                raise ValueError(
                    f"each must be an address or a network such as '10.0.0.0/8', not {proxy!r:.60}"
                ) from None
        return proxies

    @field_validator("origins")
    @classmethod
    def _origins_are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[^/\s*]+", origin):
                raise ValueError("each is a scheme and a host such as 'https://app.example.com'; '*' is not accepted")
        return origins


class IntakeSettings(Section):
    """Mail on its way in."""

    #: Mails that may wait to be read; beyond it pollers pause and the endpoint answers 503.
    most: int = Field(50_000, ge=1)
    #: Bytes of a mail that is taken whole; above it the headers alone are read.
    largest: int = Field(50 * 1024 * 1024, ge=64 * 1024)
    #: The mailbox under which posted mail is filed when its sender names none.
    mailbox: Annotated[str, AfterValidator(_plain_name)] = "intake"


class WorkerSettings(Section):
    """Reading mail."""

    #: Stable name of this worker's consumer. None: host and supervisord process name.
    name: Annotated[str, _shaped(r"[A-Za-z0-9_.:-]{1,80}", "1 to 80 of A-Z, a-z, 0-9, _ . : and -")] | None = None
    #: Child processes that read mail, besides one for mail that failed before.
    readers: int = Field(2, ge=1, le=32)
    #: Seconds that a mail which failed before may take.
    read_seconds: float = Field(20.0, gt=0, le=600)
    #: Bytes of memory that a reading child may use.
    read_memory: int = Field(1024**3, ge=256 * 1024**2)
    #: Seconds after which another worker's abandoned mail is taken over.
    abandoned: float = Field(60.0, ge=1)


def _start(value: Any) -> Any:
    if value in ("now", "all"):
        return value
    if isinstance(value, date):
        return value.date() if isinstance(value, datetime) else value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("must be 'now', 'all' or a date such as 2026-03-01") from None


class MailboxSettings(Section):
    """One mailbox that is watched."""

    host: Host
    port: int | None = Field(None, ge=1, le=65535)
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    user: str
    password: SecretStr | None = None
    password_file: Path | None = None
    #: A file of certificates to trust instead of the system's.
    ca_file: Path | None = None
    folder: str = "INBOX"
    start: Annotated[Literal["now", "all"] | date, BeforeValidator(_start)] = "now"
    after: Literal["leave"] = "leave"
    #: Seconds between full checks; IDLE is only a hint.
    poll: float = Field(60.0, ge=1, le=3600)

    @after_all(mode="after")
    def _has_one_password(self) -> "MailboxSettings":
        if (self.password is None) == (self.password_file is None):
            raise ValueError("set exactly one of password (also by the environment) and password_file")
        if self.tls == "none" and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("tls = 'none' is accepted for this machine's own addresses only")
        return self

    @property
    def real_port(self) -> int:
        """The port that is meant: 993 for implicit TLS and 143 otherwise, unless set (RFC 8314)."""
        return self.port or (993 if self.tls == "implicit" else 143)

    def secret(self) -> str:
        """The password; a file's last line end is not part of it. SettingsError when the file cannot be read."""
        return read_secret(self.password, self.password_file, "password_file")


FieldType = Literal["text", "reference", "name", "date", "datetime", "money", "number", "phone", "email", "table"]


def _tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Label = Annotated[str, _shaped(r"(?s)(?=.*\S).{1,100}", "1 to 100 characters, not all blank")]


class FieldSettings(Section):
    """A rule that cuts one field out of a mail; `worker.reading.rules` says how it is used."""

    labels: Annotated[tuple[Label, ...], BeforeValidator(_tuple), Field(max_length=100)] = ()
    pattern: Annotated[str, _shaped("(?s).{1,1000}", "1 to 1000 characters")] | None = None
    type: FieldType = "text"
    order: Literal["DMY", "MDY", "YMD"] | None = None
    region: Annotated[str, _shaped("[A-Z]{2}", "two capital letters such as US (ISO 3166)")] | None = None
    currency: Annotated[str, _shaped("[A-Z]{3}", "three capital letters such as USD (ISO 4217)")] | None = None
    mailboxes: tuple[str, ...] = ()
    required: bool = False

    @field_validator("pattern")
    @classmethod
    def _is_re2(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            import re2  # an extension of 2 MB that only those who have patterns need

            options = re2.Options()
            options.log_errors = False  # it would write to standard error beside our sentence
            try:
                re2.compile(pattern, options)
            except re2.error as error:
                why = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error
                raise ValueError(f"not a pattern that RE2 accepts: {why}") from None
        return pattern

    @after_all(mode="after")
    def _finds_something(self) -> "FieldSettings":
        if not self.labels and self.pattern is None:
            raise ValueError("set labels, pattern or both")
        if self.type == "table" and not self.labels:
            raise ValueError("a table needs labels: a header cell or a caption of it")
        return self


class DemoSettings(Section):
    """The demonstration: a mailbox of its own and letters that arrive in it. `run.py demo` switches it on."""

    enabled: bool = False
    #: Letters a minute, 0 = none.
    rate: float = Field(12.0, ge=0, le=6000)


class Settings(Section):
    """Everything; the tables of `tubepost.toml` in the order of its documentation."""

    #: Folder of all that is kept on disk.
    data: Path = Path("var")
    log: Literal["debug", "info", "warning", "error"] = "info"
    #: The demo user's token.
    token: SecretStr | None = Field(None, min_length=1)
    #: Server processes under supervisord; the demo passes it on.
    servers: int = Field(2, ge=1, le=64)
    redis: RedisSettings = RedisSettings()
    server: ServerSettings = ServerSettings()
    stream: StreamSettings = StreamSettings()
    intake: IntakeSettings = IntakeSettings()
    worker: WorkerSettings = WorkerSettings()
    mailboxes: dict[str, MailboxSettings] = {}
    fields: dict[str, FieldSettings] = {}
    demo: DemoSettings = DemoSettings()

    @field_validator("mailboxes", "fields")
    @classmethod
    def _names_are_plain(cls, tables: dict[str, Any]) -> dict[str, Any]:
        for name in tables:
            _plain_name(name)
        return tables

    @property
    def mail(self) -> Path:
        """Folder of the mail store."""
        return self.data / "mail"

    @property
    def redis_url(self) -> str:
        """The address of Redis: the one that is set, else the embedded server's socket."""
        return self.redis.url.get_secret_value() if self.redis.url else f"unix://{self.redis_socket}"

    @property
    def redis_advice(self) -> str:
        """What a person can do about a Redis that does not answer."""
        if self.redis.url:
            return "Check that it is up, and redis.url."
        return "The embedded Redis starts with the other programs: .venv/bin/supervisord -c supervisord.conf"

    @property
    def redis_socket(self) -> Path:
        """The embedded server's socket. The path of a socket has room for about 100 bytes only (unix(7))."""
        path = (self.data / "redis.sock").absolute()
        if len(os.fsencode(path)) <= _LONGEST_SOCKET:
            return path
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return _ours(Path(tempfile.gettempdir()) / f"tubepost-{os.getuid()}-{name}") / "redis.sock"

    def check_files(self) -> None:
        """SettingsError with a line for each named file of a mailbox that is missing or cannot be used."""
        wrong = []
        for name, mailbox in self.mailboxes.items():
            try:
                mailbox.secret()
                if mailbox.ca_file:
                    _text_of(mailbox.ca_file, "ca_file")
            except SettingsError as error:
                wrong.append(f"mailboxes.{name}.{error}")
        if wrong:
            raise SettingsError("\n".join(wrong))

    def rules(self, mailbox: str) -> list[dict[str, Any]]:
        """The field rules of a mailbox as plain data; none means that general fields are read."""
        return [
            {"name": name, **rule.model_dump(mode="json", exclude={"mailboxes"})}
            for name, rule in self.fields.items()
            if not rule.mailboxes or mailbox in rule.mailboxes
        ]


def _ours(folder: Path) -> Path:
    """*folder* of a place where all may write. SettingsError when somebody else could put a Redis of theirs there."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise SettingsError(
            f"data: its path is too long for a socket, and {folder} cannot be made: {error.strerror}"
        ) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise SettingsError(
            f"data: its path is too long for a socket, and {folder} belongs to others; shorten the path"
        )
    return folder


def read_secret(value: SecretStr | None, file: Path | None, name: str) -> str:
    """A secret given directly or by a file. SettingsError names *name* and the file when it cannot be read."""
    if value is not None:
        return value.get_secret_value()
    if file is None:
        raise SettingsError(f"{name}: not set; give the secret or the file that holds it")
    secret = _text_of(file, name).rstrip("\r\n")
    if not secret:
        raise SettingsError(f"{name}: {file} is empty")
    return secret


def _text_of(file: Path, name: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SettingsError(f"{name}: {file} cannot be read: {reason}") from None

"""All settings, and the values that follow from them."""

import hashlib
import os
import socket
import stat
import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from workitems.base.errors import InvalidChangeError, SettingsError
from workitems.settings.fields import FieldSettings, ReadingSettings
from workitems.settings.intake_and_workers import (
    DemoSettings,
    IntakeSettings,
    RetentionSettings,
    SourceSettings,
    WorkerSettings,
)
from workitems.settings.mailbox import MailboxSettings
from workitems.settings.redis_and_server import RedisSettings, ServerSettings, StreamSettings
from workitems.settings.section import ProcessName, Secret, Section, check_name

#: Bytes of a socket's path that every system takes.
_LONGEST_SOCKET = 100


class Settings(Section):
    """All settings; the tables of `tubepost.toml` in the order of its documentation."""

    #: The folder of all files.
    data: Path = Path("var")
    log: Literal["debug", "info", "warning", "error"] = "info"
    #: The demo user's token.
    token: Secret | None = None
    #: The name of this machine among those that share a Redis. None: its host name.
    host_name: ProcessName | None = None
    #: Server processes; the demo passes the number to supervisord.
    servers: int = Field(2, ge=1, le=64)
    redis: RedisSettings = RedisSettings()
    server: ServerSettings = ServerSettings()
    stream: StreamSettings = StreamSettings()
    intake: IntakeSettings = IntakeSettings()
    worker: WorkerSettings = WorkerSettings()
    retention: RetentionSettings = RetentionSettings()
    mailboxes: dict[str, MailboxSettings] = Field({})
    sources: dict[str, SourceSettings] = Field({})
    reading: ReadingSettings = ReadingSettings()
    fields: dict[str, FieldSettings] = Field({})
    demo: DemoSettings = DemoSettings()

    @field_validator("mailboxes", "sources", "fields")
    @classmethod
    def _names_are_plain(cls, tables: dict[str, Any]) -> dict[str, Any]:
        for name in tables:
            check_name(name)
        return tables

    @model_validator(mode="after")
    def _no_mail_moves_in_circles(self) -> "Settings":
        for (name, one), (other, two) in combinations(self.mailboxes.items(), 2):
            if one.moves_into(two) and two.moves_into(one):
                raise ValueError(f"mailboxes.{name} and mailboxes.{other} move mail into each other's folders for ever")
        return self

    def require_mailbox(self, name: str) -> None:
        """Raise InvalidChangeError, which names the mailboxes that are set, when *name* is none of them."""
        if name not in self.mailboxes:
            raise InvalidChangeError(f"no such mailbox; set are: {', '.join(self.mailboxes) or 'none'}")

    @property
    def host(self) -> str:
        """The name of this machine, as the processes report it to Redis."""
        return self.host_name or socket.gethostname()

    @property
    def mail_folder(self) -> Path:
        """Folder of the mail store."""
        return self.data / "mail"

    @property
    def redis_url(self) -> str:
        """The address of Redis: the one that is set, else the embedded server's socket."""
        return self.redis.url.get_secret_value() if self.redis.url else f"unix://{self.redis_socket}"

    @property
    def redis_advice(self) -> str:
        """What a person can do when Redis does not answer."""
        if self.redis.url:
            return "Check that it is up, and redis.url."
        if self.demo.enabled:
            return "The demo's Redis runs as long as it does: make run"
        return (
            "The embedded Redis starts with the other programs: .venv/bin/supervisord -c supervisord.conf; "
            "to use the one of `make run`, set TUBEPOST_CONFIG=var/demo/tubepost.toml"
        )

    @property
    def redis_socket(self) -> Path:
        """The embedded server's socket. The path of a socket has room for about 100 bytes only (unix(7))."""
        path = (self.data / "redis.sock").absolute()
        if len(os.fsencode(path)) <= _LONGEST_SOCKET:
            return path
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return _own_folder(Path(tempfile.gettempdir()) / f"tubepost-{os.getuid()}-{name}") / "redis.sock"

    @property
    def runtime_folder(self) -> Path:
        """Folder of the sockets by which the processes of this host give each other their metrics.

        It is not below `data`, which may be a network disk of several hosts, or have a path too long for a socket.
        """
        name = hashlib.sha256(os.fsencode(self.data.absolute())).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"tubepost-{os.getuid()}-run-{name}"

    def check_files(self, *only: str) -> None:
        """Raise SettingsError with a line for each file that is missing or unusable, of all mailboxes or of *only*."""
        wrong = []
        for name in only or self.mailboxes:
            try:
                self.mailboxes[name].check_files()
            except SettingsError as error:
                wrong.append(f"mailboxes.{name}.{error}")
        if wrong:
            raise SettingsError("\n".join(wrong))

    def field_rules(self, mailbox: str) -> list[dict[str, Any]]:
        """Return the own field rules of a mailbox as plain data; rules of one name are ways to one field."""
        return [{"name": name, **rule} for name, field in self.fields.items() for rule in field.rules(mailbox)]


def _own_folder(folder: Path) -> Path:
    """Return *folder*, made below a folder of all users. SettingsError when another user could put a Redis there."""
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

"""All settings together, and what follows from them."""

import hashlib
import os
import stat
import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from workitems.errors import SettingsError
from workitems.settings.fields import FieldSettings
from workitems.settings.mailbox import MailboxSettings
from workitems.settings.section import Section, plain_name
from workitems.settings.services import RedisSettings, ServerSettings, StreamSettings
from workitems.settings.work import DemoSettings, IntakeSettings, RetentionSettings, SourceSettings, WorkerSettings

#: Bytes of a socket's path that every system takes.
_LONGEST_SOCKET = 100


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
    retention: RetentionSettings = RetentionSettings()
    mailboxes: dict[str, MailboxSettings] = Field({})
    sources: dict[str, SourceSettings] = Field({})
    fields: dict[str, FieldSettings] = Field({})
    demo: DemoSettings = DemoSettings()

    @field_validator("mailboxes", "sources", "fields")
    @classmethod
    def _names_are_plain(cls, tables: dict[str, Any]) -> dict[str, Any]:
        for name in tables:
            plain_name(name)
        return tables

    @model_validator(mode="after")
    def _no_mail_goes_round(self) -> "Settings":
        for (name, one), (other, two) in combinations(self.mailboxes.items(), 2):
            if one.moves_into(two) and two.moves_into(one):
                raise ValueError(f"mailboxes.{name} and mailboxes.{other} move mail into each other's folders for ever")
        return self

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
        if self.demo.enabled:
            return "The demo's Redis runs as long as it does: make run"
        return (
            "The embedded Redis starts with the other programs: .venv/bin/supervisord -c supervisord.conf; "
            "that of `make run` is asked with TUBEPOST_CONFIG=var/demo/tubepost.toml"
        )

    @property
    def redis_socket(self) -> Path:
        """The embedded server's socket. The path of a socket has room for about 100 bytes only (unix(7))."""
        path = (self.data / "redis.sock").absolute()
        if len(os.fsencode(path)) <= _LONGEST_SOCKET:
            return path
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return _ours(Path(tempfile.gettempdir()) / f"tubepost-{os.getuid()}-{name}") / "redis.sock"

    def check_files(self, *only: str) -> None:
        """SettingsError with a line for each file that is missing or cannot be used, of all mailboxes or of some."""
        wrong = []
        for name in only or self.mailboxes:
            try:
                self.mailboxes[name].check_files()
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

"""What the tables of settings share: strictness, names, and secrets in files."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

from workitems.base.errors import SettingsError
from workitems.base.statuses import STATUSES


def check_name(name: str) -> str:
    """Check the name of a mailbox or field: it is part of Redis keys, beside statuses, and of environment variables."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name) or name in STATUSES:
        accepted = f"1 to 64 of a-z, 0-9, _ and -, and none of {', '.join(STATUSES)}"
        raise ValueError(f"the name {name!r:.80}: a name is {accepted}")
    return name


def matching(pattern: str, accepted: str) -> AfterValidator:
    """Return a check that a text matches *pattern*; *accepted* describes it in words."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {accepted}")
        return text

    return AfterValidator(check)


#: Characters of a secret that we check ourselves, at least; a shorter one could be guessed.
MIN_SECRET = 16


def check_length(secret: str) -> str:
    """Return *secret* if it has MIN_SECRET characters without blanks around it. Raise ValueError."""
    if len(secret.strip()) < MIN_SECRET:  # it may be blank, as from an unset variable of a shell
        raise ValueError(f"must have at least {MIN_SECRET} characters; openssl rand -hex 24 makes a good one")
    return secret


def _check_secret(secret: SecretStr) -> SecretStr:
    check_length(secret.get_secret_value())
    return secret


#: A secret that callers show us. Passwords for mailboxes, OAuth and Redis are checked by others, who set their length.
Secret = Annotated[SecretStr, AfterValidator(_check_secret)]

#: The name of a process or of its host in Redis.
ProcessName = Annotated[str, matching(r"[A-Za-z0-9_.:-]{1,80}", "1 to 80 of A-Z, a-z, 0-9, _ . : and -")]

#: A name or an IPv4 or IPv6 address.
Host = Annotated[str, matching(r"[^\s/:@\[\]]+|(?:[0-9a-fA-F.]*:){2,}\S*", "a name or address, without scheme or port")]


def as_tuple(value: Any) -> Any:
    """Turn a single text into a list of one."""
    return (value,) if isinstance(value, str) else value


class Section(BaseModel):
    """A table of the file. Unknown names are errors, and no error ever carries the input."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


def read_secret(value: SecretStr | None, file: Path | None, name: str) -> str:
    """Return a secret given directly or in a file. SettingsError names *name* and a file that cannot be read."""
    if value is not None:
        if not value.get_secret_value().strip():  # as from an unset variable of a shell
            raise SettingsError(f"{name.removesuffix('_file')}: is set and empty, which anybody could guess")
        return value.get_secret_value()
    if file is None:
        raise SettingsError(f"{name}: not set; give the secret or the file that holds it")
    secret = read_text_file(file, name).rstrip("\r\n")
    if not secret.strip():
        raise SettingsError(f"{name}: {file} is empty")
    return secret


def read_own_secret(value: SecretStr | None, file: Path | None, name: str) -> str:
    """Return a secret that callers show us; *name* is the setting without `_file`. SettingsError, also for a short one.

    A value was checked with the other settings, a file is checked here.
    """
    setting = name if value is not None else f"{name}_file"
    try:
        return check_length(read_secret(value, file, setting))
    except ValueError as error:
        raise SettingsError(f"{setting}: {f'{file} ' if value is None else ''}{error}") from None


def read_text_file(file: Path, name: str) -> str:
    """Return the text of *file*. SettingsError names the setting *name* and the file."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SettingsError(f"{name}: {file} cannot be read: {reason}") from None

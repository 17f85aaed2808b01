"""What the tables of settings share: strictness, names, and secrets that lie in files."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

from workitems.errors import SettingsError
from workitems.item import STATUSES


def plain_name(name: str) -> str:
    """Mailboxes and fields are parts of Redis keys, beside statuses, and of names in the environment."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name) or name in STATUSES:
        accepted = f"1 to 64 of a-z, 0-9, _ and -, and none of {', '.join(STATUSES)}"
        raise ValueError(f"the name {name!r:.80}: a name is {accepted}")
    return name


def shaped(pattern: str, accepted: str) -> AfterValidator:
    """A check that a text has the form of *pattern*; *accepted* says it in words."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {accepted}")
        return text

    return AfterValidator(check)


#: A name or an IPv4 or IPv6 address.
Host = Annotated[str, shaped(r"[^\s/:@\[\]]+|(?:[0-9a-fA-F.]*:){2,}\S*", "a name or address, without scheme or port")]


def as_tuple(value: Any) -> Any:
    """A lone text is a list of one."""
    return (value,) if isinstance(value, str) else value


class Section(BaseModel):
    """A table of the file. Unknown names are errors, and no error ever carries the input."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


def read_secret(value: SecretStr | None, file: Path | None, name: str) -> str:
    """A secret given directly or by a file. SettingsError names *name* and the file when it cannot be read."""
    if value is not None:
        if not value.get_secret_value().strip():  # as an unset variable of a shell leaves it
            raise SettingsError(f"{name.removesuffix('_file')}: is set and empty, which anybody could guess")
        return value.get_secret_value()
    if file is None:
        raise SettingsError(f"{name}: not set; give the secret or the file that holds it")
    secret = text_of(file, name).rstrip("\r\n")
    if not secret.strip():
        raise SettingsError(f"{name}: {file} is empty")
    return secret


def text_of(file: Path, name: str) -> str:
    """What stands in *file*. SettingsError names the setting *name* and the file."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SettingsError(f"{name}: {file} cannot be read: {reason}") from None

"""Finds the files that hold secrets: those that settings name, the file of the settings itself, and our own."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, SecretStr

from workitems.settings.root import Settings


def find_secret_files(settings: Settings, settings_file: Path | None = None) -> list[tuple[str, Path]]:
    """Return the name and the path of each file with secrets, missing ones too; *settings_file* only if it has any."""
    found = [(name, path) for name, path in named_files(settings) if not name.endswith(".ca_file")]
    if settings.redis.url:
        query = parse_qs(urlsplit(settings.redis.url.get_secret_value()).query)
        found += [("redis.url: ssl_keyfile", Path(path)) for path in query.get("ssl_keyfile", [])]
    found.append(("the key that signs cookies", settings.data / "secret"))
    if settings_file is not None and _holds_secret(settings, settings_file):
        found.append(("the settings, which have secrets", settings_file))
    return found


def named_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield the dotted name and the value of each setting that names a file, such as `mailboxes.desk.password_file`."""
    for name, value in _walk(settings):
        if isinstance(value, Path) and name.endswith("_file"):
            yield name, value


def _holds_secret(settings: Settings, file: Path) -> bool:
    """Return whether a secret of *settings* is in *file*, and not in the environment."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return False
    secrets = [value.get_secret_value() for name, value in _walk(settings) if isinstance(value, SecretStr)]
    with_password = [secret for secret in secrets if "://" not in secret or urlsplit(secret).password]
    return any(secret and secret in text for secret in with_password)


def _walk(table: BaseModel, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the dotted name and the value of each setting."""
    for name in type(table).model_fields:
        value = getattr(table, name)
        tables = value if isinstance(value, dict) else {"": value}
        for key, each in tables.items():
            path = f"{prefix}{name}.{key}" if key else f"{prefix}{name}"
            if isinstance(each, BaseModel):
                yield from _walk(each, f"{path}.")
            else:
                yield path, each

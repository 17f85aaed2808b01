"""The secret that signs cookies: set by the operator, or made once and kept below the data folder."""

import os
import secrets
from pathlib import Path

from workitems.errors import SettingsError
from workitems.settings import Settings, read_secret

#: Characters below which a secret could be guessed.
SHORTEST = 16


def signing_secret(settings: Settings) -> bytes:
    """The same for all processes of one data folder. Raises SettingsError."""
    chosen = settings.server
    if chosen.secret is not None or chosen.secret_file is not None:
        name = "server.secret" if chosen.secret is not None else "server.secret_file"
        return _checked(read_secret(chosen.secret, chosen.secret_file, name), name)
    path = settings.data / "secret"
    try:
        if not path.exists():
            _make(path)
        return _checked(path.read_text(encoding="utf-8").strip(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SettingsError(f"data: {path} cannot be made or read: {reason}") from None


def _make(path: Path) -> None:
    """Written whole under another name first: a process that starts at the same time must not read half a secret."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".secret-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, it fails when another process was faster
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _checked(secret: str, name: str) -> bytes:
    if len(secret) < SHORTEST:
        raise SettingsError(f"{name}: must have at least {SHORTEST} characters")
    return secret.encode()

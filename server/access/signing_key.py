"""The secret that signs cookies: from the settings, or generated once and stored in the data folder."""

import os
import secrets
from pathlib import Path

from workitems.base.errors import SettingsError
from workitems.mailstore.durable_files import make_folder
from workitems.mailstore.ownership import open_shared
from workitems.settings import Settings, read_own_secret
from workitems.settings.section import check_length


def load_signing_key(settings: Settings) -> bytes:
    """Return the key, which all processes of one data folder share. Raise SettingsError."""
    chosen = settings.server
    if chosen.cookie_secret is not None or chosen.cookie_secret_file is not None:
        return read_own_secret(chosen.cookie_secret, chosen.cookie_secret_file, "server.cookie_secret").encode()
    path = settings.data / "secret"
    try:
        if not path.exists():
            _make(path)
        return check_length(path.read_text(encoding="utf-8").strip()).encode()
    except UnicodeDecodeError:
        raise SettingsError(f"data: {path} is not UTF-8 text") from None
    except OSError as error:
        raise SettingsError(f"data: {path} cannot be written or read: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None


def _make(path: Path) -> None:
    """Write a new secret under another name, then link it: a process that starts now must not read half of it."""
    make_folder(path.parent)
    draft = path.with_name(f".secret-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = open_shared(draft, os.O_WRONLY | os.O_EXCL)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, it fails if another process was faster
    except FileExistsError:
        pass
    finally:
        draft.unlink()

"""Stores the refresh token of a mailbox: in a file that only its owner may read, or by a command of a secret store.

Both block: for threads.
"""

import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

from worker.oauth.subprocess_runner import run_command
from worker.oauth.token_response import LONGEST_TOKEN, parse_token
from workitems.base.errors import SettingsError
from workitems.settings import MailboxSettings


class TokenStore(Protocol):
    """The store of one refresh token."""

    def get(self) -> str | None:
        """Return the token, or None when there is none yet. SettingsError, TokenUnavailableError."""

    def store(self, token: str) -> None:
        """Replace the stored token by *token*. It is safe when this returns. The same errors."""

    def check(self) -> None:
        """Raise the same errors, as far as they can be found before a token is stored."""


def make_token_store(mailbox: MailboxSettings) -> TokenStore | None:
    """Return the store that the settings name, or None where an application signs in by itself."""
    if mailbox.token_file is not None:
        return TokenFile(mailbox.token_file)
    return TokenCommand(mailbox.token_command) if mailbox.token_command else None


class TokenFile:
    """A file that only its owner may read (mode 600). It is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self) -> str | None:
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise SettingsError(f"token_file: {self._path} is no ordinary file")
                if found.st_mode & 0o077:
                    mode = stat.S_IMODE(found.st_mode)
                    raise SettingsError(
                        f"token_file: others may read or change {self._path} (mode {mode:o}); accepted is 600: "
                        f"chmod 600 {self._path}"
                    )
                raw = file.read(LONGEST_TOKEN + 2)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SettingsError(f"token_file: {self._path} cannot be read: {error.strerror}") from None
        return _token(raw, f"token_file: {self._path}")

    def check(self) -> None:
        self.get()
        folder = self._path.resolve().parent
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SettingsError(f"token_file: nothing can be written in {folder}, where {self._path.name} is to be")

    def store(self, token: str) -> None:
        path = self._path.resolve()  # the target of a link, so that the link stays
        draft = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
        try:
            _write(draft, f"{token}\n".encode(), _owner(path))
            try:
                draft.rename(path)
            except OSError:
                draft.unlink()
                raise
            _sync(path.parent)
        except OSError as error:
            raise SettingsError(f"token_file: {self._path} cannot be written: {error.strerror}") from None


class TokenCommand:
    """A program that prints the token when called with `get`, and reads it with `store`. No shell is used."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command

    def get(self) -> str | None:
        printed = run_command((*self._command, "get"), b"", LONGEST_TOKEN + 2)
        return _token(printed, f"token_command: {self._command[0]} get")

    def check(self) -> None:
        self.get()

    def store(self, token: str) -> None:
        run_command((*self._command, "store"), f"{token}\n".encode(), LONGEST_TOKEN)


def _token(raw: bytes, where: str) -> str | None:
    text = raw.decode("ascii", "replace").rstrip("\r\n")
    if not text:
        return None
    if parse_token(text) is None:
        raise SettingsError(f"{where} holds what is no token: accepted is one line of printable ASCII without blanks")
    return text


def _owner(path: Path) -> tuple[int, int] | None:
    """Return the owner for a file that root writes, so that the worker can read it: that of the old file or folder."""
    if os.geteuid() != 0:
        return None
    owner = (path if path.exists() else path.parent).stat()
    return owner.st_uid, owner.st_gid


def _write(path: Path, content: bytes, owner: tuple[int, int] | None) -> None:
    """Write a new file and sync it. Nothing is left behind when that fails."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner:  # not by name: the owner of the folder may have put a link there, to any file of root
                os.fchown(descriptor, *owner)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        path.unlink()
        raise


def _sync(folder: Path) -> None:
    """Sync the folder: only then is a rename safe (rename(2), fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

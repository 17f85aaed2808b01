"""`run.py backup`: makes a backup while everything runs, or verifies one."""

import time
from collections.abc import Callable
from pathlib import Path

from worker.commands.progress_bar import BAR, ProgressLine, format_bar
from workitems.backup.backup_folder import open_complete_backup
from workitems.backup.creation import make_backup
from workitems.backup.damage import set_aside
from workitems.backup.file_list import StoredFile
from workitems.backup.manifest import Manifest
from workitems.backup.verification import Progress, check_parts, find_damaged_files, find_items_without_mail
from workitems.base import log as logs
from workitems.settings import Settings
from workitems.settings.load import settings_file

#: Names that a list of problems shows.
_SHOWN = 20

MAIL_LOST = "Look at the disk of the mail store. What the last backup in this folder had of them stays in it."

SET_ASIDE = "The next backup into this folder copies them again from the mail store. Make it now, then verify it."
NOT_SET_ASIDE = """\
The next backup may keep them, since they cannot be renamed: {refusal}. Verify as the user that makes the backups."""

WITHOUT_SETTINGS = "Settings and secrets are not in it: keep them elsewhere, or add --with-settings."
WITH_SETTINGS = """\
It has the settings and the secrets that they name: passwords of mailboxes, tokens, keys. Keep it where nobody else can
read it. What TUBEPOST_… in the environment sets is not in it."""


def backup(settings: Settings, folder: Path, *, with_settings: bool, line: ProgressLine | None = None) -> bool:
    """Make a backup in *folder* and print what it has. Returns whether the mail store has all mail, and can read it.

    Raises BackupError, StoreUnavailableError.
    """
    logs.configure("error")  # what matters is printed here
    line = line or ProgressLine()
    made = make_backup(settings, folder, progress_on(line), settings_file=settings_file() if with_settings else None)
    line.print(
        f"{folder} is complete, as of {made.manifest.started}: {_size(made.manifest)} "
        f"({made.manifest.bytes / 1e6:,.1f} MB), {made.copied:,} of them copied now, {made.removed:,} removed."
    )
    _print_some(made.items_without_mail, line, "the mail store does not have the mail of", "items")
    _print_some(made.unreadable, line, "the disk of the mail store cannot read", "files, which are not in the backup")
    if made.items_without_mail or made.unreadable:
        line.print(MAIL_LOST)
    line.print(WITH_SETTINGS if with_settings else WITHOUT_SETTINGS)
    return not made.items_without_mail and not made.unreadable


def verify(folder: Path, *, line: ProgressLine | None = None) -> bool:
    """Read the whole backup in *folder* and print what is wrong with it. Returns whether nothing is.

    Damaged copies are set aside, so that the next backup copies the files again. Raises BackupError.
    """
    line = line or ProgressLine()
    with open_complete_backup(folder) as manifest:
        check_parts(folder, manifest)
        damaged = find_damaged_files(folder, manifest, progress_on(line))
        missing = find_items_without_mail(folder, manifest, progress_on(line))
        refusal = _set_aside(folder, damaged)
    for file in damaged[:_SHOWN]:
        line.print(f"DAMAGED: {folder / file.stored_path}")
    if len(damaged) > _SHOWN:
        line.print(f"DAMAGED: {len(damaged) - _SHOWN} more")
    if damaged:
        line.print(NOT_SET_ASIDE.format(refusal=refusal) if refusal else SET_ASIDE)
    _print_some(missing, line, "the backup does not have the mail of", "items")
    if not damaged:
        line.print(f"{folder} is whole, as of {manifest.started}: {_size(manifest)}.")
    return not damaged and not missing


def _set_aside(folder: Path, damaged: list[StoredFile]) -> str:
    """Set damaged copies aside; return why that is not possible, else ''."""
    try:
        for file in damaged:
            set_aside(folder, file)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def progress_on(line: ProgressLine, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Return a function that shows progress on *line*; each kind of work has its own bar."""
    began: dict[str, float] = {}
    next_at = 0.0

    def show(what: str, done: int, todo: int) -> None:
        nonlocal next_at
        now = clock()
        if now < next_at:  # it is called for every file, and a bar costs as much as looking at one
            return
        next_at, since = now + BAR, began.setdefault(what, now)
        line.show(format_bar(what, done, todo, now - since) if todo else f"{what}: {done:,}")

    return show


def _size(manifest: Manifest) -> str:
    return f"{manifest.parts['items'].records:,} items, {manifest.parts['files'].records:,} files"


def _print_some(names: list[str], line: ProgressLine, what: str, kind: str) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        line.print(f"WARNING: {what} {len(names)} {kind}: {', '.join(names[:_SHOWN])}{more}")

"""`run.py restore`: restores a backup into an empty data folder and an empty Redis."""

from pathlib import Path

from worker.commands.backup import progress_on
from worker.commands.progress_bar import ProgressLine
from workitems.backup.restoration import SETTINGS_FOLDER, restore_backup
from workitems.base import log as logs
from workitems.settings import Settings

DAMAGED = """\
{count:,} files of the backup are missing or damaged; all others are restored. If another copy of the backup is whole,
empty this place again and restore that one, before you start Tubepost."""


async def restore(settings: Settings, folder: Path, *, line: ProgressLine | None = None) -> bool:
    """Restore the backup in *folder* and print what comes next. Returns whether no file of it was damaged.

    Raises BackupError, StoreUnavailableError.
    """
    logs.configure("error")
    line = line or ProgressLine()
    restored = await restore_backup(settings, folder, progress_on(line))
    line.print(
        f"Restored as of {restored.manifest.started}: {restored.items:,} items, {restored.files:,} files. "
        "Start Tubepost: a worker puts again the mail that waited to be read, and open pages load the list anew."
    )
    for name, place in sorted(restored.manifest.settings.items()):
        line.print(f"{settings.data / SETTINGS_FOLDER / name} was {place}")
    damage = restored.damage
    for file in damage.files:
        line.print(f"DAMAGED: {file.path}: {file.cost}")
    if damage.count > len(damage.files):
        line.print(f"DAMAGED: {damage.count - len(damage.files):,} more")
    if damage.count:
        line.print(DAMAGED.format(count=damage.count))
    return not damage.count

"""Restore a backup into an empty place: Redis, then the mail store, the id of the store last.

Until all is there Redis has a mark, and every program that is started waits. A restore that was interrupted is repeated
from its beginning; files that are there already stay. Files that are damaged in the backup are left out.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from workitems.backup.backup_folder import open_complete_backup, translating_folder_errors
from workitems.backup.creation import MAIL, SETTINGS
from workitems.backup.damage import STORE_FILE, TOMBSTONE_FILE, Damage, DamagedCopyError, is_left_out
from workitems.backup.file_copies import restore_file
from workitems.backup.file_list import DURABLE_STATE, StoredFile
from workitems.backup.manifest import Manifest, read_manifest
from workitems.backup.part import read_part
from workitems.backup.redis_export import TOMBSTONE
from workitems.backup.redis_import import (
    claim_redis,
    finish_restore,
    import_items,
    import_keys,
    read_content,
    set_store,
)
from workitems.backup.restore_check import MailContent, check_place
from workitems.backup.settings_files import SIGNING_KEY
from workitems.backup.verification import Progress, check_parts, listed_files
from workitems.base import failpoint
from workitems.base.errors import BackupError
from workitems.base.json_codec import encode_json
from workitems.base.redis import RedisClient, connect
from workitems.base.supervision import hold_alone
from workitems.mailstore import durable_files
from workitems.mailstore.disk_check import read_marker
from workitems.mailstore.ownership import open_shared
from workitems.settings import Settings

#: Where the settings of a backup are put, below the data folder: they are not put in the place of those that are used.
SETTINGS_FOLDER = "settings-of-backup"

#: The file that says that a restore of this mail store is not complete.
_MARK = ".restoring"

#: Names that a new file system or an interrupted restore has.
_NO_MAIL = {_MARK, "lost+found"}

_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What was restored; *items* without those that were removed while the backup was made; and what was damaged."""

    manifest: Manifest
    items: int
    files: int
    damage: Damage


async def restore_backup(settings: Settings, folder: Path, progress: Progress) -> RestoreResult:
    """Restore the backup in *folder*. It blocks: only a command calls it.

    Raises BackupError, DataFolderInUseError, StoreUnavailableError.
    """
    redis = connect(settings.redis_url, timeout=max(_TIMEOUT, settings.redis.timeout_seconds))
    mail = settings.mail_folder
    try:
        with (
            open_complete_backup(folder) as manifest,
            translating_folder_errors(settings.data),
            _holding_alone(settings.data),
        ):
            check_parts(folder, manifest)
            is_repeated = check_place(await read_content(redis), _mail_content(mail), manifest, mail, _advice(settings))
            durable_files.write_files(mail, [(mail / _MARK, manifest.id.encode())])
            failpoint.reach("restore-marked")
            await claim_redis(redis, manifest.id, emptied=is_repeated)
            items = await _import(redis, folder, manifest, progress)
            with durable_files.synced_file_system(mail):
                files, damage = _restore_files(settings, folder, manifest, progress)
            _write_durable(mail, STORE_FILE, manifest.store.encode())
            failpoint.reach("restore-written")
            await finish_restore(redis)
            failpoint.reach("restore-finished")
            (mail / _MARK).unlink()
            return RestoreResult(manifest, items, files, damage)
    finally:
        await redis.aclose()


@contextmanager
def _holding_alone(data: Path) -> Iterator[None]:
    """Let no other restore run in the data folder: each would remove what the other one wrote into Redis.

    Raises DataFolderInUseError.
    """
    durable_files.make_folder(data)
    os.close(open_shared(data / "restore.lock", os.O_RDWR))
    descriptor = hold_alone(data / "restore.lock")
    try:
        yield
    finally:
        os.close(descriptor)


async def _import(redis: RedisClient, folder: Path, manifest: Manifest, progress: Progress) -> int:
    def report(what: str, todo: int) -> Callable[[int], None]:
        def show(done: int) -> None:
            progress(what, done, todo)
            failpoint.reach("restore-records")

        return show

    await set_store(redis, manifest.store, manifest.generation)
    failpoint.reach("restore-store")
    parts = manifest.parts
    tombstones, items, keys = (parts[name] for name in ("tombstones", "items", "keys"))
    await import_keys(redis, read_part(folder, tombstones), report("tombstones", tombstones.records))
    count = await import_items(redis, read_part(folder, items), report("items", items.records))
    await import_keys(redis, read_part(folder, keys), report("other keys", keys.records))
    return count


def _restore_files(settings: Settings, folder: Path, manifest: Manifest, progress: Progress) -> tuple[int, Damage]:
    """Restore all files but the id of the store, which comes last; return how many, with it, and which are damaged."""
    count, done, damage = 1, 0, Damage()
    for parent, files in groupby(listed_files(folder, manifest), key=lambda file: file.path.rpartition("/")[0]):
        restored: set[str] = set()
        damaged: set[str] = set()
        for file in files:
            name = file.path.removeprefix(f"{parent}/")
            if file.path != STORE_FILE and not is_left_out(name, damaged, restored):
                (restored if _restore(settings, folder, file) else damaged).add(name)
                failpoint.reach("restore-file")
            progress("files", done := done + 1, manifest.parts["files"].records)
        count += len(restored)
        for name in sorted(damaged):
            _check_is_there(folder, manifest)
            damage.add(f"{parent}/{name}")
            if f"{parent}/{name}" == TOMBSTONE_FILE:
                _write_durable(settings.mail_folder, TOMBSTONE_FILE, _tombstones(folder, manifest))
    return count, damage


def _restore(settings: Settings, folder: Path, file: StoredFile) -> bool:
    """Restore one file. Return False when its copy is damaged."""
    top, _, path = file.path.partition("/")
    if ".." in file.path.split("/") or top not in (MAIL, SETTINGS):
        raise BackupError(f"{folder} has a file that no backup of ours has: {file.path!r:.80}")
    # The durable state has the hashes of passwords.
    place, mode = settings.mail_folder / path, 0o600 if file.path.startswith(DURABLE_STATE) else 0o666
    if top == SETTINGS:
        is_missing = path == SIGNING_KEY and not (settings.data / path).exists()
        place, mode = settings.data / (path if is_missing else f"{SETTINGS_FOLDER}/{path}"), 0o600
    try:
        restore_file(folder, file, place, mode)
    except DamagedCopyError:
        return False
    return True


def _check_is_there(folder: Path, manifest: Manifest) -> None:
    """Raise BackupError when the whole backup went away, and not one file alone."""
    try:
        found = read_manifest(folder)
    except (OSError, BackupError):
        found = None
    if found is None or found.id != manifest.id:
        raise BackupError(f"{folder} went away while it was read: mount its disk, then repeat this")


def _tombstones(folder: Path, manifest: Manifest) -> bytes:
    """Return the file of tombstones as `DurableState.record_tombstones` writes it."""
    records = read_part(folder, manifest.parts["tombstones"])
    found = ({"id": record["key"].removeprefix(TOMBSTONE)} | json.loads(record["value"]) for record in records)
    return b"".join(encode_json(tombstone) + b"\n" for tombstone in found)


def _write_durable(mail: Path, path: str, content: bytes) -> None:
    place = mail / path.removeprefix(f"{MAIL}/")
    durable_files.make_folder(place.parent)
    durable_files.write_private(place, content)


def _mail_content(mail: Path) -> MailContent:
    names = {entry.name for entry in mail.iterdir()} if mail.exists() else set()
    mark = (mail / _MARK).read_text(encoding="utf-8", errors="replace") if _MARK in names else None
    return MailContent(bool(names - _NO_MAIL), mark, read_marker(mail / STORE_FILE.removeprefix(f"{MAIL}/")))


def _advice(settings: Settings) -> str:
    if settings.redis.url is None:
        return f"Stop Tubepost, then move {settings.data / 'redis'} away, or set `data` to another folder"
    return (
        "Stop Tubepost everywhere, then give redis.url an empty Redis or the number of an empty database, such as "
        "redis://host:6379/1"
    )

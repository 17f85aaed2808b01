"""Make a backup: Redis first, then the mail store, its durable state last; the manifest, when all is on the disk.

docs/decisions/0008-backup-redis-before-mail.md says why this order is right. It blocks: only a command calls it.
"""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from workitems.backup.backup_folder import open_backup_folder
from workitems.backup.damage import MAX_PROBLEMS, STORE_FILE
from workitems.backup.file_copies import remove_unlisted, store_file, store_tree
from workitems.backup.file_list import FileGroups, StoredFile, decoded
from workitems.backup.lost_files import keep_lost_files
from workitems.backup.manifest import Manifest, write_manifest
from workitems.backup.part import Part, PartWriter, is_whole, read_part
from workitems.backup.redis_export import TOMBSTONE, count_items, export_items, export_keys
from workitems.backup.settings_files import settings_files
from workitems.backup.verification import Progress, check_parts, find_items_without_mail, listed_files
from workitems.base.errors import BackupError
from workitems.base.redis import RedisClient, connect
from workitems.mailstore.durable_files import synced_file_system
from workitems.mailstore.store import MailStore
from workitems.recovery.durable_state import DurableState
from workitems.settings import Settings

#: Folders of a backup that have files of an installation.
MAIL, SETTINGS = "mail", "settings"

#: Items without mail that do not stop a backup; in a large queue one in a hundred.
_FEW = 10

#: Seconds that a step of Redis may take at least.
_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class BackupResult:
    """What a backup did: files that it copied and removed, and items whose mail the mail store does not have.

    What the last backup had of these items stays. *unreadable*: files that the disk of the mail store cannot read.
    """

    manifest: Manifest
    copied: int
    removed: int
    items_without_mail: list[str]
    unreadable: list[str]


def make_backup(settings: Settings, folder: Path, progress: Progress, *, settings_file: Path | None) -> BackupResult:
    """Make a backup in *folder*, in which the last one stays until this one is complete.

    *settings_file*: add it and the files with secrets that it names. Raises BackupError, StoreUnavailableError.
    """
    with open_backup_folder(folder, settings.data, settings.mail_folder) as last:
        backup_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        started = _now()
        _remove_parts(folder, last)
        with synced_file_system(folder):
            (store_id, generation), parts = asyncio.run(_export(settings, folder, backup_id, last, progress))
            named = settings_files(settings, settings_file) if settings_file else {}
            listed = last if last and is_whole(folder, last.parts["files"]) else None
            unreadable: list[str] = []
            files, copied, size = _copy_files(settings, folder, backup_id, listed, named, unreadable, progress)
            _check_marker(folder, files, store_id)
        manifest = Manifest(
            backup_id, started, _now(), store_id, size, parts | {"files": files},
            {name: str(path.absolute()) for name, path in named.items()}, generation,
        )  # fmt: skip
        check_parts(folder, manifest)
        missing = find_items_without_mail(folder, manifest, progress)
        if last:
            _check_loss(len(missing) + len(unreadable), manifest.parts["items"].records)
        if last and missing:
            if listed is None:
                raise BackupError(
                    f"the mail store does not have the mail of {len(missing):,} items, and the list of the copies in "
                    f"the last backup is damaged: {folder / last.parts['files'].name}. That backup stays; to make one "
                    "without this mail, use another folder"
                )
            name = _part_name(backup_id, "files-and-lost-ones")
            manifest = keep_lost_files(folder, listed, manifest, set(missing), name)
        write_manifest(folder, manifest)
        _remove_parts(folder, manifest)
        removed = remove_unlisted(folder, FileGroups(listed_files(folder, manifest)), (MAIL, SETTINGS))
        return BackupResult(manifest, copied, removed, missing, unreadable)


async def _export(
    settings: Settings, folder: Path, backup_id: str, last: Manifest | None, progress: Progress
) -> tuple[tuple[str, str], dict[str, Part]]:
    """Write what Redis has into parts; return the id of the mail store with the generation, and the parts."""
    redis = connect(settings.redis_url, timeout=max(_TIMEOUT, settings.redis.timeout_seconds))
    mailstore = MailStore(settings.mail_folder)
    try:
        origin = await _identify(redis, mailstore)
        _check_generation(origin[1], last)
        with ExitStack() as stack:
            names = ("items", "tombstones", "keys")
            writers = {name: stack.enter_context(PartWriter(folder, _part_name(backup_id, name))) for name in names}
            todo = await count_items(redis)
            async for record in export_items(redis):
                writers["items"].write(record)
                progress("items", writers["items"].records, max(todo, writers["items"].records))
            async for record in export_keys(redis):
                writers["tombstones" if record["key"].startswith(TOMBSTONE) else "keys"].write(record)
                progress("other keys", writers["keys"].records, 0)
            parts = {name: writer.finish() for name, writer in writers.items()}
        if await _identify(redis, mailstore) != origin:
            raise BackupError("Redis lost its data while the backup was made")
        return origin, parts
    finally:
        mailstore.close()
        await redis.aclose()


async def _identify(redis: RedisClient, mailstore: MailStore) -> tuple[str, str]:
    """Return the id of the mail store and the generation of the data in Redis. Changes nothing."""
    durable_state = DurableState(redis, mailstore, max_events=0)
    known, here = await durable_state.compare_store_ids()
    if not known:
        raise BackupError(
            "Redis is empty, and puts stored mail again when a worker runs. The last backup stays"
            if here
            else "there is nothing to back up: no worker or server has run yet"
        )
    return known, await durable_state.read_generation()


def _check_generation(generation: str, last: Manifest | None) -> None:
    """Raise BackupError when Redis lost its data since the last backup, which has all that is left of people's work."""
    if last and last.generation and generation != last.generation:
        raise BackupError(
            "Redis has lost its data since the last backup: what people did is only there. The last backup stays; to "
            "make one of what there is now, use another folder"
        )


def _copy_files(
    settings: Settings,
    folder: Path,
    backup_id: str,
    last: Manifest | None,
    named: dict[str, Path],
    unreadable: list[str],
    progress: Progress,
) -> tuple[Part, int, int]:
    """Copy what the last backup lacks; return the list of all files, how many were copied, and their bytes in all."""
    known = FileGroups(listed_files(folder, last) if last else ())
    todo, copied, size = last.parts["files"].records if last else 0, 0, 0
    with PartWriter(folder, _part_name(backup_id, "files")) as writer:
        for file, is_copied in _files(settings, folder, known, named, unreadable):
            writer.write(file.encode())
            copied, size = copied + is_copied, size + file.size
            progress("files", writer.records, max(todo, writer.records) if todo else 0)
        return writer.finish(), copied, size


def _check_marker(folder: Path, files: Part, store_id: str) -> None:
    """Raise BackupError when the copied files are not those of the mail store: without its id nothing is restored."""
    marker = next((file for file in decoded(read_part(folder, files)) if file.path == STORE_FILE), None)
    if marker is None or (folder / marker.stored_path).read_text(encoding="utf-8").strip() != store_id:
        raise BackupError(
            "the disk of the mail store went away while the backup was made: mount it, then repeat this. The last "
            "backup stays"
        )


def _files(
    settings: Settings, folder: Path, known: FileGroups, named: dict[str, Path], unreadable: list[str]
) -> Iterator[tuple[StoredFile, bool]]:
    yield from store_tree(settings.mail_folder, folder, MAIL, known, unreadable)
    for name, path in sorted(named.items()):
        yield store_file(path, folder, f"{SETTINGS}/{name}"), True


def _check_loss(missing: int, items: int) -> None:
    """Raise BackupError when more is missing than some broken files: the last backup may have all that is left."""
    if missing > min(max(_FEW, items // 100), MAX_PROBLEMS - 1):
        raise BackupError(
            f"the mail store does not have, or cannot read, the mail of {missing:,} items or more: look at its disk. "
            "The last backup stays; to make one without this mail, use another folder"
        )


def _part_name(backup_id: str, name: str) -> str:
    return f"{backup_id}.{name}.jsonl.gz"


def _remove_parts(folder: Path, manifest: Manifest | None) -> None:
    """Remove the parts of all other backups: the one before, and interrupted ones."""
    kept = {part.name for part in manifest.parts.values()} if manifest else set()
    for path in folder.glob("*.jsonl.gz"):
        if path.name not in kept:
            path.unlink()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

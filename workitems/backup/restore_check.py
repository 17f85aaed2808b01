"""Judge whether a backup may be restored into a place: it is empty, or has only what an interrupted restore left there.

A restore marks the mail store first and then Redis, and removes both marks in the reverse order. While Redis has its
mark no program starts (`DurableState.compare_store_ids`). All of it is pure.
"""

from dataclasses import dataclass
from pathlib import Path

from workitems.backup.manifest import Manifest
from workitems.base.errors import BackupError
from workitems.recovery.restore_mark import USED_SINCE


@dataclass(frozen=True, slots=True)
class RedisContent:
    """What Redis has of Tubepost. `restoring` is the id of the backup whose restore is not complete, '' without one."""

    key: str = ""
    restoring: str = ""
    store: str = ""
    #: Whether a program has worked with it: no restore writes these keys.
    is_used: bool = False


@dataclass(frozen=True, slots=True)
class MailContent:
    """What the folder of the mail store has: other files than the mark, the backup that the mark names, and its id."""

    has_files: bool = False
    mark: str | None = None
    store: str = ""


def check_place(redis: RedisContent, mail: MailContent, manifest: Manifest, folder: Path, advice: str) -> bool:
    """Return whether an interrupted restore is repeated. Raises BackupError with *advice* when the place is in use.

    *folder*: that of the mail store.
    """
    if redis.restoring and redis.is_used:
        raise BackupError(f"{USED_SINCE}. To restore elsewhere: {advice}")
    is_repeated = not redis.is_used and (bool(redis.restoring) or _has_ended(redis, mail, manifest))
    _check_mail(mail, manifest, folder, is_restoring=bool(redis.restoring), is_repeated=is_repeated)
    if redis.key and not is_repeated:
        raise BackupError(f"Redis is not empty: it has keys of Tubepost, such as {redis.key!r:.80}. {advice}")
    if redis.store not in ("", manifest.store):
        raise BackupError(
            "Redis has what an interrupted restore of another installation left, and it is not emptied. Repeat that "
            f"restore, or restore elsewhere. {advice}"
        )
    return is_repeated


def _has_ended(redis: RedisContent, mail: MailContent, manifest: Manifest) -> bool:
    """Return whether a restore of this backup was interrupted at its last step, between the removals of its marks."""
    return mail.mark == manifest.id and redis.store == mail.store == manifest.store


def _check_mail(mail: MailContent, manifest: Manifest, folder: Path, *, is_restoring: bool, is_repeated: bool) -> None:
    if not mail.has_files or (mail.mark == manifest.id and (is_repeated or not mail.store)):
        return
    if mail.mark not in (None, manifest.id) and (is_restoring or not mail.store):
        raise BackupError(
            f"the restore of another backup was interrupted in {folder}: move this folder away first, so that files of "
            "two backups do not mix"
        )
    raise BackupError(
        f"{folder} is not empty: a backup is restored into an empty place only. Stop Tubepost, then move this folder "
        "away, or set `data` to another one"
    )

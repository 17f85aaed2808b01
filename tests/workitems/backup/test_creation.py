"""Making backups into one folder again and again."""

import errno
import os
import resource
import stat
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from tests.workitems.backup.conftest import Installation
from workitems.backup import creation, file_copies
from workitems.backup.manifest import MANIFEST, read_manifest
from workitems.base import keys
from workitems.base.errors import BackupError, StoreUnavailableError
from workitems.mailstore import durable_files


def contents(folder: Path) -> dict[str, int]:
    """Return the inode of every file of a backup below `mail` and `settings`."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_ino
        for top in ("mail", "settings")
        for path in (folder / top).rglob("*")
        if path.is_file()
    }


def count(folder: Path, pattern: str) -> int:
    return len(list(folder.glob(pattern)))


def modes(folder: Path) -> dict[Path, int]:
    return {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}


async def test_a_second_backup_copies_only_what_is_new(old: Installation, folder: Path) -> None:
    for n in range(5):
        await old.put(n)
    await old.read()
    first = await old.back_up(folder)
    before = contents(folder)
    assert first.copied == len(before) == first.manifest.parts["files"].records
    same = await old.back_up(folder)
    assert (same.copied, same.removed) == (0, 0)
    assert contents(folder) == before
    await old.put(6)
    more = await old.back_up(folder)
    assert more.copied == 2
    assert before.items() <= contents(folder).items()
    assert count(folder, "*.gz") == 4, "what an older backup had of Redis is gone"


async def test_a_file_that_changed_is_copied_again_and_one_that_is_lost_in_the_backup_too(
    old: Installation, folder: Path
) -> None:
    item_id = await old.put(1)
    await old.read()
    await old.back_up(folder)
    await old.mailstore.store_reading(item_id, {"text": "more"}, [])
    assert (await old.back_up(folder)).copied == 1
    next((folder / "mail").rglob("*.eml.*")).unlink()
    assert (await old.back_up(folder)).copied == 1
    assert count(folder, "**/reading.json.*") == 1


async def test_erased_mail_leaves_the_backup_with_the_next_one(old: Installation, folder: Path) -> None:
    ids = [await old.put(n, f"Secret {n}.") for n in range(2)]
    await old.read()
    await old.back_up(folder)
    await old.erase(ids[0])
    await old.back_up(folder)
    files = b"".join(path.read_bytes() for path in (folder / "mail").rglob("*") if path.is_file())
    assert b"Secret 0" not in files
    assert b"Secret 1" in files
    assert not (folder / "mail" / ids[0][3:5] / ids[0]).exists()


@pytest.mark.parametrize("what", ["items", "other keys", "files", "checking items"])
async def test_an_interrupted_backup_never_replaces_the_last_one(
    old: Installation, new: Installation, folder: Path, what: str
) -> None:
    ids = {await old.put(1)}
    await old.read()
    last = (await old.back_up(folder)).manifest
    await old.put(2)
    await old.mailstore.store_reading(next(iter(ids)), {"text": "changed"}, [])
    await old.read()

    def interrupt(shown: str, *_: int) -> None:
        if shown == what:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(BackupError, match=f"{folder}.*No space left"):
        await old.back_up(folder, interrupt)
    assert read_manifest(folder) == last
    await new.restore(folder)
    await new.repair()
    await new.read()
    assert {item.id for item in (await new.store.list_items()).items} >= ids
    assert (await old.back_up(folder)).manifest.id != last.id
    assert count(folder, "*.gz") == 4
    assert count(folder, "**/reading.json.*") == 2


async def test_a_full_disk_is_a_clear_error(old: Installation, folder: Path) -> None:
    await old.put(1, "x" * 200_000)
    await old.back_up(folder)
    await old.put(2, "y" * 200_000)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))  # Python ignores SIGXFSZ
    try:
        with pytest.raises(BackupError, match="File too large"):
            await old.back_up(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (await old.back_up(folder)).copied == 2


async def test_a_mail_that_the_disk_cannot_read_is_named_and_does_not_stop_the_backup(
    old: Installation, new: Installation, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = sorted([await old.put(n) for n in range(3)])
    await old.read()
    raw = str(await old.mailstore.raw_path(ids[1]))
    read = file_copies._read

    def fail(file: BinaryIO, count: int) -> bytes:
        if file.name in broken:
            raise file_copies.UnreadableFileError(errno.EIO, os.strerror(errno.EIO), file.name)
        return read(file, count)

    monkeypatch.setattr(file_copies, "_read", fail)  # no disk fails when a test wants it
    broken = {raw}
    made = await old.back_up(folder)
    assert made.unreadable == [raw]
    await new.restore(folder)
    assert {item.id for item in (await new.store.list_items()).items} == set(ids)
    broken.clear()
    assert (await old.back_up(folder)).copied == 1

    broken = {str(old.settings.mail_folder / ".tubepost" / "store")}
    (old.settings.mail_folder / ".tubepost" / "store").touch()
    with pytest.raises(BackupError, match=r"\.tubepost/store: Input/output error"):
        await old.back_up(folder)
    broken = {str(old.settings.mail_folder / item_id[3:5] / item_id / "reading.json") for item_id in ids}
    monkeypatch.setattr(creation, "_FEW", 2)
    for item_id in ids:
        await old.mailstore.store_reading(item_id, {"text": "changed"}, [])
    with pytest.raises(BackupError, match="look at its disk"):
        await old.back_up(folder)


async def test_a_draft_that_a_killed_first_backup_left_does_not_make_its_folder_unusable(
    old: Installation, folder: Path
) -> None:
    await old.put(1)
    draft = folder / f"{MANIFEST}.0123abcd.part"
    durable_files.write_files(folder, [(draft, b"{")])
    await old.back_up(folder)
    assert count(folder, "*.part") == 0


async def test_a_folder_that_cannot_be_a_backup_is_refused(old: Installation, tmp_path: Path) -> None:
    await old.put(1)
    data = old.settings.data
    for inside in (data, data / "backup", data / "mail" / "x", data.parent):
        with pytest.raises(BackupError, match="a folder of its own"):
            await old.back_up(inside)
    assert not (data / "backup").exists()
    other = tmp_path / "documents"
    other.mkdir()
    (other / "letter.txt").write_text("Dear Ann")
    with pytest.raises(BackupError, match="has other files and is no backup: give an empty folder"):
        await old.back_up(other)
    assert [path.name for path in other.iterdir()] == ["letter.txt"]
    with pytest.raises(BackupError, match=r"letter\.txt.*is a file, or below a file; a folder is accepted"):
        await old.back_up(other / "letter.txt" / "backup")


async def test_a_folder_on_the_disk_that_the_mail_folder_links_to_is_refused(old: Installation, tmp_path: Path) -> None:
    await old.put(1)
    disk = tmp_path / "disk" / "mail"
    disk.parent.mkdir()
    old.settings.mail_folder.rename(disk)
    old.settings.mail_folder.symlink_to(disk)
    for inside in (disk, disk / "backup", disk.parent):
        with pytest.raises(BackupError, match=r"the mail folder .* a folder of its own"):
            await old.back_up(inside)
    assert not (disk / "backup").exists()
    await old.back_up(disk.parent / "backup")


async def test_two_backups_into_one_folder_do_not_mix(old: Installation, folder: Path) -> None:
    await old.put(1)
    await old.read()
    refused: list[BackupError] = []

    def second(*_: Any) -> None:
        if not refused:
            with pytest.raises(BackupError, match="is in use") as caught:
                creation.make_backup(old.settings, folder, lambda *_: None, settings_file=None)
            refused.append(caught.value)

    await old.back_up(folder, lambda what, *_: second() if what == "files" else None)
    assert refused


async def test_a_redis_that_lost_its_data_does_not_replace_a_good_backup(old: Installation, folder: Path) -> None:
    with pytest.raises(BackupError, match="nothing to back up"):
        await old.back_up(folder)
    await old.put(1)
    last = (await old.back_up(folder)).manifest
    await old.redis.flushall()
    with pytest.raises(BackupError, match="Redis is empty"):
        await old.back_up(folder)
    await old.redis.set(keys.STORE, "another")
    with pytest.raises(StoreUnavailableError, match="not the mail store that Redis knows"):
        await old.back_up(folder)
    assert read_manifest(folder) == last


async def test_a_redis_that_lost_its_data_and_has_its_mail_again_does_not_replace_a_good_backup(
    old: Installation, new: Installation, folder: Path, tmp_path: Path
) -> None:
    await old.put(1)
    await old.read()
    last = (await old.back_up(folder)).manifest
    await old.redis.flushall()
    await old.repair()
    await old.read()
    with pytest.raises(BackupError, match=r"Redis has lost its data since the last backup.*use another folder"):
        await old.back_up(folder)
    assert read_manifest(folder) == last
    assert (await old.back_up(tmp_path / "other")).manifest.generation != last.generation
    await new.restore(folder)
    await new.repair()
    assert (await new.back_up(folder)).manifest.generation == last.generation, "the restored one goes on with it"


async def test_a_redis_from_before_generations_gets_one_and_is_backed_up(old: Installation, folder: Path) -> None:
    await old.put(1)
    await old.redis.delete(keys.GENERATION)
    assert not (await old.back_up(folder)).manifest.generation
    await old.repair()
    first = (await old.back_up(folder)).manifest.generation
    await old.repair()
    assert first
    assert (await old.back_up(folder)).manifest.generation == first


async def test_a_mail_store_that_lost_its_mail_does_not_replace_a_good_backup(old: Installation, folder: Path) -> None:
    ids = [await old.put(n) for n in range(20)]
    await old.read()
    await old.back_up(folder)
    for item_id in ids[:10]:
        await old.mailstore.remove(item_id)
    assert len((await old.back_up(folder)).items_without_mail) == 10, "a few broken files do not stop all backups"
    await old.mailstore.remove(ids[10])
    last = read_manifest(folder)
    with pytest.raises(BackupError, match=r"mail of 11 items or more: look at its disk\. The last backup stays"):
        await old.back_up(folder)
    assert read_manifest(folder) == last
    assert count(folder, f"mail/*/{ids[10]}/*.eml.*") == 1


async def test_the_last_copy_of_mail_that_the_mail_store_lost_stays_and_is_restored(
    old: Installation, new: Installation, folder: Path
) -> None:
    ids = [await old.put(n, f"Only copy {n}.") for n in range(5)]
    await old.read()
    first = await old.back_up(folder)
    before = contents(folder)
    await old.mailstore.remove(ids[0])
    await old.mailstore.remove(ids[3])
    for _ in range(2):
        made = await old.back_up(folder)
        assert (made.items_without_mail, made.copied, made.removed) == (sorted([ids[0], ids[3]]), 0, 0)
        assert made.manifest.bytes == first.manifest.bytes
        assert contents(folder) == before
        assert count(folder, "*.gz") == 4
    await new.restore(folder)
    for item_id in ids:
        assert len(list((new.settings.mail_folder / item_id[3:5] / item_id).glob("*.eml"))) == 1
    await old.erase(ids[0])
    assert (await old.back_up(folder)).items_without_mail == [ids[3]]
    assert not (folder / "mail" / ids[0][3:5] / ids[0]).exists()
    assert (folder / "mail" / ids[3][3:5] / ids[3]).exists()


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_disk_that_goes_away_while_files_are_copied_gives_no_backup(
    old: Installation, folder: Path, is_first: bool
) -> None:
    await old.put(1)
    await old.read()
    last = None if is_first else (await old.back_up(folder)).manifest
    marker = old.settings.mail_folder / ".tubepost" / "store"

    def unmount(shown: str, *_: int) -> None:
        if shown == "files":
            marker.unlink(missing_ok=True)

    with pytest.raises(BackupError, match="disk of the mail store went away while the backup was made"):
        await old.back_up(folder, unmount)
    assert read_manifest(folder) == last


async def test_nobody_else_can_read_a_backup(old: Installation, folder: Path) -> None:
    await old.put(1)
    await old.back_up(folder)
    assert not {path: mode for path, mode in modes(folder).items() if mode & 0o077}


async def test_settings_and_secrets_are_in_it_by_choice(old: Installation, folder: Path, tmp_path: Path) -> None:
    await old.put(1)
    config, password = tmp_path / "tubepost.toml", tmp_path / "password"
    config.write_text("[mailboxes.desk]\n")
    password.write_text("sesame")
    (old.settings.data / "secret").write_text("signs cookies")
    mailbox = {"host": "localhost", "user": "desk", "password_file": password}
    old.settings = old.settings.model_validate(old.settings.model_dump() | {"mailboxes": {"desk": mailbox}})
    assert not (await old.back_up(folder)).manifest.settings
    assert not (folder / "settings").exists()
    made = await old.back_up(folder, settings_file=config)
    assert made.manifest.settings == {
        "tubepost.toml": str(config),
        "secret": str(old.settings.data / "secret"),
        "mailboxes.desk.password_file": str(password),
    }
    found = {path.name.rpartition(".")[0]: path for path in (folder / "settings").iterdir()}
    assert found["mailboxes.desk.password_file"].read_text() == "sesame"
    assert {stat.S_IMODE(path.stat().st_mode) for path in found.values()} == {0o600}
    await old.back_up(folder)
    assert not list((folder / "settings").glob("*")), "left out again, they go"
    assert (folder / MANIFEST).exists()

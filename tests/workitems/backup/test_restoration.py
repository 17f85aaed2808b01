"""Where a backup is restored, and where not."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workitems.backup.conftest import Installation
from tests.workitems.samples import everything
from workitems.backup.manifest import FORMAT, MANIFEST
from workitems.base import keys, supervision
from workitems.base.errors import BackupError, StoreUnavailableError
from workitems.base.supervision import DataFolderInUseError, hold_alone


async def test_a_place_that_is_not_empty_is_refused_and_left_alone(
    old: Installation, new: Installation, folder: Path
) -> None:
    await old.put(1)
    await old.back_up(folder)
    await new.redis.hset(keys.WORKERS, "worker-1", "{}")
    with pytest.raises(BackupError, match=r"Redis is not empty.*Stop Tubepost everywhere, then give redis\.url"):
        await new.restore(folder)
    assert await new.redis.keys("*") == [keys.WORKERS.encode()]
    await new.redis.flushall()
    await new.redis.set("another program's", "1")
    (new.settings.mail_folder / "ab").mkdir(parents=True)
    with pytest.raises(BackupError, match="mail is not empty: a backup is restored into an empty place only"):
        await new.restore(folder)
    assert await new.redis.keys("*") == [b"another program's"]
    (new.settings.mail_folder / "ab").rmdir()
    await new.restore(folder)
    assert await new.redis.get("another program's") == b"1"


async def test_what_is_no_backup_or_is_damaged_or_newer_is_refused(
    old: Installation, new: Installation, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(BackupError, match=f"is no backup: it has no {MANIFEST}"):
        await new.restore(tmp_path)
    await old.put(1)
    await old.back_up(folder)
    path = folder / MANIFEST
    good = path.read_text()
    for text, reason in (
        (json.dumps(json.loads(good) | {"format": FORMAT + 1, "more": {}}), "written by a newer Tubepost.*update"),
        (good[:100], r"backup\.json is damaged: put another copy of it there"),
        ('{"format": 1, "id": 5}', "damaged"),
        ('{"format": 1}', "has no complete backup"),
    ):
        path.write_text(text)
        with pytest.raises(BackupError, match=reason):
            await new.restore(folder)
    path.write_text(good)
    part = folder / json.loads(good)["parts"]["items"]["name"]
    raw = part.read_bytes()
    part.write_bytes(raw[:-1] + b"x")
    with pytest.raises(BackupError, match=f"{part.name} is missing or damaged"):
        await new.restore(folder)
    assert not await new.redis.keys("*"), "nothing was begun"
    part.write_bytes(raw)
    await new.restore(folder)


@pytest.mark.parametrize("what", ["tombstones", "items", "other keys", "files"])
async def test_an_interrupted_restore_is_repeated_and_until_then_every_program_waits(
    old: Installation, new: Installation, folder: Path, what: str
) -> None:
    ids = [await old.put(n) for n in range(3)]
    await old.read()
    await old.erase(ids[0])
    await old.back_up(folder)

    def interrupt(shown: str, *_: int) -> None:
        if shown == what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await new.restore(folder, interrupt)
    with pytest.raises(StoreUnavailableError, match=r"restore of a backup into this Redis is not complete.*run it"):
        await new.put(9)
    await new.restore(folder)
    assert await new.repair() == 0
    assert {item.id for item in (await new.store.list_items()).items} == set(ids[1:])
    assert not (new.settings.mail_folder / ".restoring").exists()


async def test_a_mark_that_outlives_a_complete_restore_does_not_let_another_one_write_there(
    old: Installation, new: Installation, folder: Path
) -> None:
    await old.put(1)
    last = (await old.back_up(folder)).manifest
    await new.restore(folder)
    mark = new.settings.mail_folder / ".restoring"
    mark.write_text(last.id)  # it was killed before it removed the mark
    await new.put(2)
    with pytest.raises(BackupError, match="mail is not empty"):
        await new.restore(folder)
    await new.redis.flushall()
    with pytest.raises(BackupError, match="mail is not empty"):
        await new.restore(folder)
    assert not await new.redis.keys("*")
    await new.redis.set(keys.RESTORING, last.id)  # it was killed a step before that
    await new.restore(folder)
    assert not mark.exists()


async def test_a_mark_in_redis_that_outlived_its_restore_lets_no_later_one_empty_a_redis_that_is_used(
    old: Installation, new: Installation, folder: Path, tmp_path: Path
) -> None:
    """An older version let programs start while Redis had it."""
    await old.put(1)
    last = (await old.back_up(folder)).manifest
    await new.restore(folder)
    await new.put(2)
    await new.read()
    new.settings = new.settings.model_copy(update={"data": tmp_path / "elsewhere"})
    for mark in (last.id, "another backup"):
        await new.redis.set(keys.RESTORING, mark)
        before = everything(new.url)
        with pytest.raises(BackupError, match="programs have worked with this Redis since"):
            await new.restore(folder)
        assert everything(new.url) == before
    assert not new.settings.mail_folder.exists()


async def test_what_a_restore_of_another_installation_left_is_not_emptied(
    old: Installation, new: Installation, folder: Path
) -> None:
    await old.put(1)
    await old.back_up(folder)
    await new.redis.mset({keys.RESTORING: "another backup", keys.STORE: "another store", keys.item("wi_1"): "x"})
    before = everything(new.url)
    with pytest.raises(BackupError, match="interrupted restore of another installation left"):
        await new.restore(folder)
    assert everything(new.url) == before


async def test_files_of_two_backups_do_not_mix(old: Installation, new: Installation, folder: Path) -> None:
    erased = await old.put(1)
    await old.back_up(folder)

    def interrupt(shown: str, *_: int) -> None:
        if shown == "files":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await new.restore(folder, interrupt)
    await old.erase(erased)
    await old.back_up(folder)
    with pytest.raises(BackupError, match=r"the restore of another backup was interrupted in .*: move this folder"):
        await new.restore(folder)
    shutil.rmtree(new.settings.mail_folder)
    await new.restore(folder)
    assert await new.repair() == 0


async def test_all_but_the_damaged_files_is_restored_and_each_is_named_with_its_cost(
    old: Installation, new: Installation, folder: Path, make_installation: Callable[..., Installation]
) -> None:
    raw_lost, attachment_lost, sidecar_lost, erased = numbers = {await old.put(n): n for n in range(4)}
    await old.read()
    await old.mailstore.store_reading(attachment_lost, {"text": "with two files"}, [b"one", b"two"])
    await old.erase(erased)
    await old.back_up(folder)
    flip(copy_of(folder, raw_lost, "*.eml.*"))
    copy_of(folder, attachment_lost, "attachment-2.*").unlink()
    copy_of(folder, sidecar_lost, "[!r]*.json.*").write_bytes(b"")
    for name in ("gone", "store"):
        flip(next((folder / "mail" / ".tubepost").glob(f"{name}.*")))

    damage = (await new.restore(folder)).damage
    paths = sorted(each.path.rpartition("/")[2].rpartition(".")[2] for each in damage.files)
    assert paths == ["attachment-2", "eml", "gone", "json"]
    assert damage.count == 4
    assert f"the raw mail of {raw_lost} is lost" in " ".join(each.cost for each in damage.files)
    assert {item.id for item in (await new.store.list_items()).items} == {raw_lost, attachment_lost, sidecar_lost}
    assert [len(names(new, item_id)) for item_id in numbers] == [1, 3, 2, 0]
    assert "reading.json" not in names(new, attachment_lost), "a worker makes it and the attachments again"

    await new.repair()
    await new.read()
    assert "reading.json" in names(new, attachment_lost)
    for item_id in (raw_lost, sidecar_lost):
        await new.put(numbers[item_id])
        assert len(await new.mailstore.get_raw_mails(item_id)) == 1, "an import brings the raw mail back"
    await new.redis.flushall()
    again = make_installation(new.url, new.settings.data)
    await again.repair()
    assert await again.redis.exists(keys.gone(erased)), "what was erased stays erased"


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def copy_of(folder: Path, item_id: str, pattern: str) -> Path:
    return next((folder / "mail" / item_id[3:5] / item_id).glob(pattern))


def names(installation: Installation, item_id: str) -> set[str]:
    place = installation.settings.mail_folder / item_id[3:5] / item_id
    return {path.name for path in place.iterdir()} if place.exists() else set()


async def test_a_backup_whose_disk_goes_away_is_no_backup_with_damaged_files(
    old: Installation, new: Installation, folder: Path, tmp_path: Path
) -> None:
    for n in range(3):
        await old.put(n)
    await old.back_up(folder)

    def unmount(shown: str, *_: int) -> None:
        if shown == "files" and not (tmp_path / "unmounted").exists():
            folder.rename(tmp_path / "unmounted")
            folder.mkdir()

    with pytest.raises(BackupError, match="went away while it was read: mount its disk"):
        await new.restore(folder, unmount)
    (tmp_path / "unmounted").rename(folder)  # onto the empty one
    assert not (await new.restore(folder)).damage.count
    assert await new.repair() == 3


async def test_a_file_that_lost_its_bytes_since_an_interrupted_restore_is_restored_again(
    old: Installation, new: Installation, folder: Path
) -> None:
    """After a power failure it may have its size and its time, and no content."""
    await old.put(1)
    await old.back_up(folder)

    def interrupt(shown: str, done: int, todo: int) -> None:
        if shown == "files" and done == todo:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await new.restore(folder, interrupt)
    raw = next(new.settings.mail_folder.rglob("*.eml"))
    whole, status = raw.read_bytes(), raw.stat()
    raw.write_bytes(bytes(len(whole)))
    os.utime(raw, ns=(status.st_mtime_ns, status.st_mtime_ns))
    await new.restore(folder)
    assert raw.read_bytes() == whole


async def test_two_restores_into_one_place_do_not_run_at_once(
    old: Installation, new: Installation, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "WAIT_SECONDS", 0.0)
    await old.put(1)
    await old.back_up(folder)
    new.settings.data.mkdir(exist_ok=True)
    lock = hold_alone(new.settings.data / "restore.lock")
    try:
        with pytest.raises(DataFolderInUseError, match="is in use by another program"):
            await new.restore(folder)
    finally:
        os.close(lock)
    assert not await new.redis.keys("*")
    await new.restore(folder)


async def test_settings_come_back_beside_those_that_are_used_and_the_signing_key_into_its_place(
    old: Installation, new: Installation, folder: Path, tmp_path: Path
) -> None:
    await old.put(1)
    (tmp_path / "tubepost.toml").write_text("log = 'debug'\n")
    (old.settings.data / "secret").write_text("signs cookies")
    await old.back_up(folder, settings_file=tmp_path / "tubepost.toml")
    await new.restore(folder)
    assert (new.settings.data / "secret").read_text() == "signs cookies"
    copy = new.settings.data / "settings-of-backup" / "tubepost.toml"
    assert copy.read_text() == "log = 'debug'\n"
    assert copy.stat().st_mode & 0o777 == 0o600

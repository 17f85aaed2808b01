"""A backup that is damaged says so."""

from pathlib import Path

import pytest

from tests.workitems.backup.conftest import Installation, quiet
from workitems.backup.damage import set_aside
from workitems.backup.manifest import read_manifest
from workitems.backup.verification import check_parts, find_damaged_files, find_items_without_mail
from workitems.base.errors import BackupError


async def test_every_damaged_file_is_found(old: Installation, folder: Path) -> None:
    for n in range(3):
        await old.put(n)
    await old.read()
    manifest = (await old.back_up(folder)).manifest
    assert read_manifest(folder) == manifest
    assert find_damaged_files(folder, manifest, quiet) == []
    one, two, three = sorted((folder / "mail").rglob("*.eml.*"))
    one.unlink()
    two.write_bytes(b"")
    raw = three.read_bytes()
    three.write_bytes(raw.replace(b"Hello", b"HELLO"))
    damaged = [path.relative_to(folder).as_posix() for path in (one, two, three)]
    assert [file.stored_path for file in find_damaged_files(folder, manifest, quiet)] == damaged


async def test_damaged_copies_are_set_aside_and_the_next_backup_mends_them(
    old: Installation, new: Installation, folder: Path
) -> None:
    ids = [await old.put(n) for n in range(4)]
    await old.read()
    manifest = (await old.back_up(folder)).manifest
    before = stored(folder)
    for path in (copies := sorted((folder / "mail").rglob("*.eml.*")))[:2]:
        damage(path)
    damage(next((folder / "mail").rglob("reading.json.*")))
    copies[2].unlink()
    for file in find_damaged_files(folder, manifest, quiet):
        set_aside(folder, file)
    made = await old.back_up(folder)
    assert made.copied == 4
    assert stored(folder) == before
    assert find_damaged_files(folder, made.manifest, quiet) == []
    assert not (await new.restore(folder)).damage.count
    assert {item.id for item in (await new.store.list_items()).items} == set(ids)


async def test_a_damaged_copy_of_the_durable_state_is_mended_without_a_verification(
    old: Installation, folder: Path
) -> None:
    await old.erase(await old.put(1))
    await old.put(2)
    await old.back_up(folder)
    for path in (copies := sorted((folder / "mail" / ".tubepost").iterdir())):
        damage(path)
    made = await old.back_up(folder)
    assert made.copied == len(copies)
    assert find_damaged_files(folder, made.manifest, quiet) == []


async def test_a_damaged_list_of_files_is_mended_by_the_next_backup_unless_mail_is_lost(
    old: Installation, folder: Path
) -> None:
    ids = [await old.put(n) for n in range(3)]
    await old.read()
    manifest = (await old.back_up(folder)).manifest
    before = stored(folder)
    damage(folder / manifest.parts["files"].name)
    manifest = (await old.back_up(folder)).manifest
    check_parts(folder, manifest)
    assert stored(folder) == before
    damage(folder / manifest.parts["files"].name)
    await old.mailstore.remove(ids[0])
    with pytest.raises(BackupError, match=r"mail of 1 items, and the list of the copies.*use another folder"):
        await old.back_up(folder)
    assert stored(folder) == before


async def test_the_last_copy_of_lost_mail_stays_though_it_is_damaged(old: Installation, folder: Path) -> None:
    item_id = await old.put(1)
    await old.read()
    manifest = (await old.back_up(folder)).manifest
    damage(next((folder / "mail").rglob("*.eml.*")))
    before = stored(folder)
    await old.mailstore.remove(item_id)
    for _ in range(2):
        for file in find_damaged_files(folder, manifest, quiet):
            set_aside(folder, file)
        made = await old.back_up(folder)
        assert made.items_without_mail == [item_id]
        assert stored(folder) == before
        manifest = made.manifest


def damage(path: Path) -> None:
    """Change one bit: the size stays."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def stored(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in (folder / "mail").rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["items", "keys", "tombstones", "files"])
async def test_a_damaged_part_is_found(old: Installation, folder: Path, name: str) -> None:
    await old.put(1)
    await old.read()
    manifest = (await old.back_up(folder)).manifest
    check_parts(folder, manifest)
    part = folder / manifest.parts[name].name
    damage(part)
    with pytest.raises(BackupError, match=f"{name}.*damaged"):
        check_parts(folder, manifest)
    part.unlink()
    with pytest.raises(BackupError, match="missing"):
        check_parts(folder, manifest)


async def test_an_item_whose_mail_the_store_does_not_have_is_named(old: Installation, folder: Path) -> None:
    ids = [await old.put(n) for n in range(3)]
    await old.read()
    await old.mailstore.remove(ids[0])
    assert (await old.back_up(folder)).items_without_mail == [ids[0]]
    (await old.mailstore.raw_path(ids[1])).unlink()  # removed for its age: the sidecar stays
    assert (await old.back_up(folder)).items_without_mail == [ids[0]]


async def test_an_item_that_is_removed_while_the_backup_is_made_is_no_problem(old: Installation, folder: Path) -> None:
    from tests.workitems.backup.test_round_trip import meanwhile

    ids = [await old.put(n) for n in range(3)]
    await old.read()
    made = await old.back_up(folder, meanwhile("other keys", lambda: old.erase(ids[0])))
    assert made.items_without_mail == []
    assert find_items_without_mail(folder, made.manifest, quiet) == []

"""A disk that is full at any moment of a backup or a restore: a clear error, and nothing in part counts as good."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.workitems.backup.conftest import Installation, quiet
from workitems.backup.backup_folder import open_complete_backup
from workitems.backup.creation import BackupResult
from workitems.backup.manifest import MANIFEST, Manifest, read_manifest
from workitems.backup.verification import check_parts, find_damaged_files
from workitems.base.errors import BackupError, StoreUnavailableError

#: Bytes of a page: a file system in memory gives space in such pieces.
PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk in memory. Only root may mount one; the tests with a limit of the file size need no rights."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(mount("none", folder), capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True, timeout=30)


def mount(device: str, folder: Path, *options: str) -> list[str]:
    return ["mount", "-t", "tmpfs", *options, "-o", "size=1m", device, str(folder)]


def leave_pages(disk: Path, count: int) -> None:
    """Fill the disk so that *count* pages are free."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(PAGE, free - count * PAGE))


def check_whole(folder: Path) -> Manifest:
    with open_complete_backup(folder) as manifest:
        check_parts(folder, manifest)
        assert find_damaged_files(folder, manifest, quiet) == []
        return manifest


def is_complete(folder: Path) -> bool:
    return (folder / MANIFEST).exists() and read_manifest(folder) is not None


async def back_up_with_more_and_more_space(
    old: Installation, disk: Path, holds: Callable[[], bool]
) -> tuple[BackupResult, list[str]]:
    """Back up until all fits. Return the result, and what was said before; *holds* is true after each failure."""
    refusals: list[str] = []
    while True:
        leave_pages(disk, len(refusals))
        try:
            return await old.back_up(disk / "backup"), refusals
        except BackupError as error:
            refusals.append(str(error))
        assert str(disk) in refusals[-1]
        assert "No space left on device" in refusals[-1]
        assert holds()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))  # Python ignores SIGXFSZ
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_whatever_does_not_fit_the_last_backup_stays_whole_until_all_fits(
    old: Installation, new: Installation, disk: Path
) -> None:
    folder = disk / "backup"
    ids = {await old.put(1, "x" * 3 * PAGE)}
    await old.read()
    last = (await old.back_up(folder)).manifest
    ids |= {await old.put(n, f"{n}" * 3 * PAGE) for n in range(2, 4)}
    await old.read()
    made, refusals = await back_up_with_more_and_more_space(old, disk, lambda: check_whole(folder) == last)
    assert len(set(refusals)) > 1, "for this test to mean anything"
    assert check_whole(folder) == made.manifest
    (disk / "filler").unlink()
    await new.restore(folder)
    assert {item.id for item in (await new.store.list_items()).items} == ids


async def test_a_first_backup_that_does_not_fit_is_none_and_the_next_one_is_made(old: Installation, disk: Path) -> None:
    folder = disk / "backup"
    await old.put(1, "x" * 3 * PAGE)
    await old.read()
    made, refusals = await back_up_with_more_and_more_space(old, disk, lambda: not is_complete(folder))
    assert len(set(refusals)) > 1, "for this test to mean anything"
    assert check_whole(folder) == made.manifest


@pytest.mark.parametrize("size", [0, 20, 100, 200, 400, 700, 1000])
async def test_a_file_that_cannot_be_written_whole_gives_no_backup(old: Installation, folder: Path, size: int) -> None:
    await old.put(1)
    await old.read()
    last = (await old.back_up(folder)).manifest
    await old.put(2, "y" * 2000)
    await old.read()
    with file_size_limit(size), pytest.raises(BackupError, match="File too large"):
        await old.back_up(folder)
    assert check_whole(folder) == last
    assert (await old.back_up(folder)).copied == 3
    check_whole(folder)


@pytest.mark.parametrize("size", [0, 30, 1000])
async def test_a_restore_onto_a_full_disk_is_a_clear_error_and_is_run_again(
    old: Installation, new: Installation, folder: Path, size: int
) -> None:
    item_id = await old.put(1, "y" * 2000)
    await old.read()
    await old.back_up(folder)
    with file_size_limit(size), pytest.raises(BackupError, match="File too large"):
        await new.restore(folder)
    if size:
        with pytest.raises(StoreUnavailableError, match="is not complete"):
            await new.durable_state.reconcile()
    assert not (await new.restore(folder)).damage.count
    assert len(await new.mailstore.get_raw_mails(item_id)) == 1

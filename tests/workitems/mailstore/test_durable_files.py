"""Files are complete or absent, one at a time and many at once."""

import errno
import os
from pathlib import Path

import pytest

from workitems.mailstore import durable_files


def some(place: Path, count: int) -> list[tuple[Path, bytes]]:
    return [(place / f"{n % 3}" / f"{n}" / "file", b"%d" % n) for n in range(count)]


def there(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("count", [1, durable_files.SYNCFS_MIN_FILES - 1, durable_files.SYNCFS_MIN_FILES, 100])
def test_files_are_written_with_the_folders_that_are_missing(tmp_path: Path, count: int) -> None:
    place = tmp_path / "new" / "mail"
    durable_files.write_files(place, some(place, count))
    assert there(place) == {f"{n % 3}/{n}/file": b"%d" % n for n in range(count)}
    durable_files.write_files(place, [(path, b"again") for path, _ in some(place, count)])
    assert set(there(place).values()) == {b"again"}


def test_many_files_are_synced_together_before_their_rename_and_again_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    def sync_all(descriptor: int) -> int:
        assert Path(f"/proc/self/fd/{descriptor}").readlink() == tmp_path
        seen.append({Path(name).suffix for name in there(tmp_path)})
        return 0

    monkeypatch.setattr(durable_files, "_syncfs", sync_all)
    durable_files.write_files(tmp_path, some(tmp_path, durable_files.SYNCFS_MIN_FILES))
    assert seen == [{".part"}, {""}]


def test_without_syncfs_every_file_and_folder_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def sync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(durable_files, "_syncfs", None)
    monkeypatch.setattr(os, "fsync", sync)
    durable_files.write_files(tmp_path, some(tmp_path, 20))
    assert sum(name.endswith(".part") for name in synced) == 20
    for path, _ in some(tmp_path, 20):
        assert {str(path.parent), str(path.parent.parent), str(tmp_path)} <= set(synced)


def test_an_error_of_the_sync_is_raised_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> int:
        durable_files.ctypes.set_errno(errno.ENOSPC)
        return -1

    monkeypatch.setattr(durable_files, "_syncfs", full)
    with pytest.raises(OSError, match="No space left"):
        durable_files.write_files(tmp_path, some(tmp_path, durable_files.SYNCFS_MIN_FILES))
    assert there(tmp_path) == {}


def test_a_folder_below_the_current_one_is_made_unless_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    durable_files.write_files("var/mail", [("var/mail/file", b"1")])
    assert there(tmp_path) == {"var/mail/file": b"1"}
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError):
        durable_files.make_folder("var/mail")

"""Files that are whole or not there, one at a time and many at once."""

import errno
import os
from pathlib import Path

import pytest

from workitems import durable


def some(place: Path, count: int) -> list[tuple[Path, bytes]]:
    return [(place / f"{n % 3}" / f"{n}" / "file", b"%d" % n) for n in range(count)]


def there(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("count", [1, durable.MANY - 1, durable.MANY, 100])
def test_files_are_written_with_the_folders_that_are_missing(tmp_path: Path, count: int) -> None:
    place = tmp_path / "new" / "mail"
    durable.write(place, some(place, count))
    assert there(place) == {f"{n % 3}/{n}/file": b"%d" % n for n in range(count)}
    durable.write(place, [(path, b"again") for path, _ in some(place, count)])
    assert set(there(place).values()) == {b"again"}


def test_many_files_are_synced_together_before_they_are_named_and_again_before_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    def sync_all(descriptor: int) -> int:
        assert Path(f"/proc/self/fd/{descriptor}").readlink() == tmp_path
        seen.append({Path(name).suffix for name in there(tmp_path)})
        return 0

    monkeypatch.setattr(durable, "_syncfs", sync_all)
    durable.write(tmp_path, some(tmp_path, durable.MANY))
    assert seen == [{".part"}, {""}]


def test_where_the_file_system_cannot_be_synced_whole_every_file_and_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def sync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(durable, "_syncfs", None)
    monkeypatch.setattr(os, "fsync", sync)
    durable.write(tmp_path, some(tmp_path, 20))
    assert sum(name.endswith(".part") for name in synced) == 20
    for path, _ in some(tmp_path, 20):
        assert {str(path.parent), str(path.parent.parent), str(tmp_path)} <= set(synced)


def test_what_the_disk_refuses_when_it_is_synced_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> int:
        durable.ctypes.set_errno(errno.ENOSPC)
        return -1

    monkeypatch.setattr(durable, "_syncfs", full)
    with pytest.raises(OSError, match="No space left"):
        durable.write(tmp_path, some(tmp_path, durable.MANY))
    assert there(tmp_path) == {}


def test_a_folder_below_the_current_one_is_made_and_none_where_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    durable.write("var/mail", [("var/mail/file", b"1")])
    assert there(tmp_path) == {"var/mail/file": b"1"}
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError):
        durable.make("var/mail")

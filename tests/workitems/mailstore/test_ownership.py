"""What root makes in a folder of another user belongs to that user. Without root, nothing changes its owner."""

import os
import stat
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from workitems.mailstore import durable_files, ownership
from workitems.mailstore.ownership import owner_for

#: A user that runs the programs, where the tests run as root; else these are the same.
USER = 12345 if os.geteuid() == 0 else os.geteuid()

ROOT, PROGRAMS, OTHER = (0, 0), (1000, 1001), (2000, 2001)


def status(owner: tuple[int, int], kind: int = stat.S_IFREG, names: int = 1) -> os.stat_result:
    return os.stat_result((kind | 0o600, 7, 1, names, *owner, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("user", "made", "folder", "owner"),
    [
        (0, status(ROOT), status(PROGRAMS, stat.S_IFDIR, 2), PROGRAMS),
        (0, status(ROOT, stat.S_IFDIR, 2), status(PROGRAMS, stat.S_IFDIR, 3), PROGRAMS),
        (0, status(ROOT), status(ROOT, stat.S_IFDIR, 2), None),  # an installation of root
        (0, status(OTHER), status(PROGRAMS, stat.S_IFDIR, 2), None),  # a network disk does not trust root
        (0, status(ROOT, names=2), status(PROGRAMS, stat.S_IFDIR, 2), None),  # a second name of a file elsewhere
        (1000, status(PROGRAMS), status(OTHER, stat.S_IFDIR, 2), None),
        (1000, status(ROOT), status(PROGRAMS, stat.S_IFDIR, 2), None),
    ],
)
def test_only_what_root_made_in_a_folder_of_another_user_changes_its_owner(
    user: int, made: os.stat_result, folder: os.stat_result, owner: tuple[int, int] | None
) -> None:
    assert owner_for(user, made, folder) == owner


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the user that runs the programs."""
    found = tmp_path / "data"
    found.mkdir()
    os.chown(found, USER, -1)
    return found


def lock(folder: Path) -> None:
    with durable_files.locked(folder):
        pass


def append(folder: Path) -> None:
    os.close(ownership.open_shared(folder / "gone", os.O_WRONLY | os.O_APPEND))


@pytest.mark.parametrize(
    "work",
    [
        lock,
        append,
        lambda folder: durable_files.write_private(folder / "users", b"1"),
        lambda folder: durable_files.write_files(folder, [(folder / "ab" / "cd" / "mail", b"1")]),
        lambda folder: durable_files.write_files(folder, [(folder / f"{n}" / "mail", b"1") for n in range(9)]),
        lambda folder: durable_files.write_atomically(folder / "ab" / "reading", b"1"),
        lambda folder: durable_files.make_folder(folder / "ab" / "cd", synced=False),
    ],
)
def test_all_that_is_written_belongs_to_the_owner_of_the_folder(folder: Path, work: Callable[[Path], None]) -> None:
    work(folder)
    assert {path.stat().st_uid for path in folder.rglob("*")} == {USER}


def test_a_lock_that_root_left_there_before_is_given_back(folder: Path) -> None:
    (folder / "lock").touch(0o600)
    lock(folder)
    assert (folder / "lock").stat().st_uid == USER


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_link_to_a_file_elsewhere_gives_it_to_nobody(
    folder: Path, tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of root")
    link(folder / "lock", secret)
    with suppress(OSError) if link is Path.symlink_to else nullcontext():
        lock(folder)
    assert secret.stat().st_uid == os.geteuid()
    assert secret.read_text() == "of root"


def test_what_another_program_made_is_given_with_its_folders_and_what_links_lead_to_is_not(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").touch()
    made = folder / "redis" / "appendonlydir"
    made.mkdir(parents=True)
    (made / "1.aof").touch()
    (made / "link").symlink_to(tmp_path / "secret")
    ownership.give_tree(folder / "redis")
    assert {path.lstat().st_uid for path in folder.rglob("*")} == {USER}
    assert (tmp_path / "secret").stat().st_uid == os.geteuid()

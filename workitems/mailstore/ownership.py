"""Give what root makes in a folder of another user to that user.

A command that is run by `sudo` would else leave files that the programs, which run as that user, cannot use.
"""

import os
import stat
from os import PathLike, path

#: The name of a file or folder.
StrPath = str | PathLike[str]


def owner_for(user: int, made: os.stat_result, folder: os.stat_result) -> tuple[int, int] | None:
    """Return user and group that what *user* made in *folder* must belong to; None when it stays as it is.

    A file with several names stays root's: the owner of the folder may have put a link there, to any file of root.
    """
    is_alone = stat.S_ISDIR(made.st_mode) or made.st_nlink == 1
    if user != 0 or folder.st_uid == 0 or made.st_uid != 0 or not is_alone:
        return None
    return folder.st_uid, folder.st_gid


def give_to_owner(descriptor: int, folder: StrPath) -> None:
    """Give an open file of root to the owner of its *folder*; do nothing for other users. Raises OSError."""
    user = os.geteuid()
    if user == 0 and (owner := owner_for(user, os.fstat(descriptor), os.stat(folder))):
        os.fchown(descriptor, *owner)


def open_shared(name: StrPath, flags: int) -> int:
    """Open a file that the programs and root write; make it if necessary. Return its descriptor. Raises OSError."""
    descriptor = os.open(name, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        give_to_owner(descriptor, _parent(name))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def give_folder(folder: StrPath) -> None:
    """Give a folder that root made to the owner of the one that it is in. Raises OSError."""
    if os.geteuid() == 0:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            give_to_owner(descriptor, _parent(folder))
        finally:
            os.close(descriptor)


def give_tree(folder: StrPath) -> None:
    """Give a folder, and what another program of root made in it, to the owner of the folder above. Raises OSError."""
    user = os.geteuid()
    if user != 0:
        return
    give_folder(folder)
    above = os.stat(folder)
    for _, folders, files, descriptor in os.fwalk(folder):
        for name in (*folders, *files):
            if owner := owner_for(user, os.stat(name, dir_fd=descriptor, follow_symlinks=False), above):
                os.chown(name, *owner, dir_fd=descriptor, follow_symlinks=False)


def _parent(name: StrPath) -> str:
    return path.dirname(os.fspath(name)) or os.curdir

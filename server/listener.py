"""The socket that clients are accepted from. A process that runs short of descriptors lets new clients wait.

To go on accepting would fail, at once and again: a busy loop that writes megabytes of log a second, while whoever is
connected already can open neither a file nor Redis. Waiting clients are taken by a sibling, or as soon as others leave.
"""

import os
import resource
import socket
from typing import Any

from tornado.ioloop import IOLoop

from workitems.log import get_logger

log = get_logger("server")

#: Descriptors that a process may have, where the system lets us choose: more than streams and files ever need.
MOST = 65_536

#: Descriptors that are kept for Redis, files and logs, and seconds until the next look at whether more are free.
SPARE = 64
PAUSE = 0.25

#: Clients that are accepted in one turn of the event loop. Tornado takes 128, and as many more in each turn that their
#: requests need: when everybody comes back at once, the memory for hundreds of half-read requests would stay.
AT_ONCE = 8


def raise_limit() -> int:
    """Take as many descriptors as the system allows (1,024 is usual otherwise); answers how many there are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


class Listener(socket.socket):
    """A listening socket, taken over from *listening*, that pauses when only SPARE of *most* descriptors are free."""

    def __init__(self, listening: socket.socket, most: int) -> None:
        super().__init__(listening.family, listening.type, listening.proto, fileno=listening.detach())
        self._last = most - min(SPARE, most // 4)
        self._paused = False
        self._told = False
        self._accepted = 0

    def accept(self) -> tuple[socket.socket, Any]:
        """As ever; BlockingIOError, as if nobody waited, while it pauses and when AT_ONCE came in this turn."""
        if self._paused or self._accepted >= AT_ONCE:
            raise BlockingIOError
        connection, address = super().accept()
        if not self._accepted:
            IOLoop.current().add_callback(self._next_turn)
        self._accepted += 1
        if connection.fileno() >= self._last:  # the system gives the lowest that is free: almost all are taken
            self._pause()
        return connection, address

    def _next_turn(self) -> None:
        self._accepted = 0

    def _pause(self) -> None:
        if not self._told:
            log.warning("new clients must wait: too many are connected", descriptors=self._last)
        self._paused = self._told = True
        IOLoop.current().update_handler(self, 0)
        IOLoop.current().call_later(PAUSE, self._look)

    def _look(self) -> None:
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
            self._paused = self._told = False
            IOLoop.current().update_handler(self, IOLoop.READ)

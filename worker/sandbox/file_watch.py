"""Watches the reading of a mail's files in a child: names the file that is read, and ends it after its CPU time.

A timer of the process raises OutOfTimeError in the code of the file. Code in C is interrupted when it returns to
Python; where it does not, the parent's time limit ends the child.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator

from worker.reading.attachments.library_guard import OutOfTimeError

#: Seconds between two interrupts: a library may swallow the first.
INTERVAL = 0.05
#: The least seconds of a block: the timer of the system is not more exact.
MIN_SECONDS = 0.01


class CpuTimer:
    """Interrupts the process after some CPU time. There is one in a process; it takes SIGPROF."""

    def __init__(self) -> None:
        self._is_armed = False
        #: Whether the last block was interrupted.
        self.has_fired = False
        signal.signal(signal.SIGPROF, self._interrupt)

    @contextlib.contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Raise OutOfTimeError inside the block once it has used *seconds*."""
        self._is_armed, self.has_fired = True, False
        try:
            signal.setitimer(signal.ITIMER_PROF, max(seconds, MIN_SECONDS), INTERVAL)
            yield
        finally:
            self._is_armed = False  # a signal that is already on its way must not hit the code after the block
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _interrupt(self, *_: object) -> None:
        if self._is_armed:
            self.has_fired = True
            raise OutOfTimeError


class FileWatch:
    """The watch over the files of one mail: all together may use *seconds* of CPU time, one of them its *share*."""

    def __init__(self, timer: CpuTimer, report: Callable[[int], None], seconds: float, share: float) -> None:
        self._timer = timer
        self._report = report
        self._share = seconds * share
        self._left = seconds
        #: Whether a file was ended: it might be read with more time.
        self.is_out_of_time = False

    @contextlib.contextmanager
    def __call__(self, n: int) -> Iterator[None]:
        """Report that file *n* is read, and limit its time. Raises OutOfTimeError, also when no time is left."""
        self._report(n)
        if self._left <= 0:
            self.is_out_of_time = True
            raise OutOfTimeError
        start = time.process_time()
        try:
            with self._timer.limit(min(self._share, self._left)):
                yield
        finally:
            self.is_out_of_time |= self._timer.has_fired
            self._left -= time.process_time() - start

"""Limits how many children read at once: `size` of them, and a few more whose mail is slow.

A child whose mail takes longer than *patience* seconds moves to the slow lane and frees its slot, so that ordinary
mail does not wait for a few endless mails. While the slow lane is full, the child keeps its slot.
"""

import asyncio
from collections.abc import Callable


class LanePermit:
    """The right of one child to read. It has a timer for every mail; call `release` at the end."""

    def __init__(self, lanes: "Lanes") -> None:
        self.is_slow = False
        self._lanes = lanes
        self._timer: asyncio.TimerHandle | None = None

    def start_timer(self, on_slow: Callable[[], None]) -> None:
        """Call *on_slow* when the mail takes longer than `slow_after` seconds."""
        self._timer = asyncio.get_running_loop().call_later(self._lanes.slow_after, self._over, on_slow)

    def stop_timer(self) -> None:
        """Stop the timer: the mail is done."""
        if self._timer:
            self._timer.cancel()

    def release(self) -> None:
        """Return the slot of the normal or of the slow lane."""
        self.stop_timer()
        self._lanes.release(self)

    def _over(self, on_slow: Callable[[], None]) -> None:
        self.is_slow = self.is_slow or self._lanes.move_to_slow()
        on_slow()
        if not self.is_slow:
            self.start_timer(on_slow)


class Lanes:
    """`busy_slow` counts the children in the slow lane. *changed* is called when it rises."""

    def __init__(self, size: int, slow: int, patience: float, changed: Callable[[], None]) -> None:
        self.slow_after = patience
        self.busy_slow = 0
        self._free = size
        self._slow = slow
        self._changed = changed

    @property
    def free(self) -> int:
        """The number of children that may start to read now."""
        return self._free

    def acquire(self) -> LanePermit:
        """Take a slot for one child. Call it only while one is `free`."""
        assert self._free > 0
        self._free -= 1
        return LanePermit(self)

    def move_to_slow(self) -> bool:
        """Move one child to the slow lane; return False when it is full."""
        if self.busy_slow >= self._slow:
            return False
        self.busy_slow += 1
        self._free += 1
        self._changed()
        return True

    def release(self, permit: LanePermit) -> None:
        """Take back the slot of one child."""
        if permit.is_slow:
            self.busy_slow -= 1
        else:
            self._free += 1

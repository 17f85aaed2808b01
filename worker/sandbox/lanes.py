"""Who may read now: `size` children at once, and beside them a few whose mail turned out to be slow.

A child whose mail takes longer than *patience* gives its place to the next and goes on in the slow lane, so that a
handful of spinning mails does not make ordinary ones wait for their time limit. While the slow lane is full it keeps
its place.
"""

import asyncio
from collections.abc import Callable


class Place:
    """One child's right to read; `begin` and `rest` for every mail, `leave` at the end."""

    def __init__(self, lanes: "Lanes") -> None:
        self.slow = False
        self._lanes = lanes
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, impatient: Callable[[], None]) -> None:
        """Start to count the patience; *impatient* is called when it is over and the mail is not."""
        self._timer = asyncio.get_running_loop().call_later(self._lanes.patience, self._over, impatient)

    def rest(self) -> None:
        """The mail is done."""
        if self._timer:
            self._timer.cancel()

    def leave(self) -> None:
        """Give the place back, in whichever lane it is by now."""
        self.rest()
        self._lanes.give_back(self)

    def _over(self, impatient: Callable[[], None]) -> None:
        self.slow = self.slow or self._lanes.step_aside()
        impatient()
        if not self.slow:
            self.begin(impatient)


class Lanes:
    """`busy_slow` is how many are in the slow lane; *changed* is called when that rises."""

    def __init__(self, size: int, slow: int, patience: float, changed: Callable[[], None]) -> None:
        self.patience = patience
        self.busy_slow = 0
        self._free = size
        self._slow = slow
        self._changed = changed

    @property
    def free(self) -> int:
        """How many children may begin now."""
        return self._free

    def place(self) -> Place:
        """A place for one child; only while one is `free`."""
        assert self._free > 0
        self._free -= 1
        return Place(self)

    def step_aside(self) -> bool:
        """Move one child to the slow lane; False when that is full."""
        if self.busy_slow >= self._slow:
            return False
        self.busy_slow += 1
        self._free += 1
        self._changed()
        return True

    def give_back(self, place: Place) -> None:
        """One child is done."""
        if place.slow:
            self.busy_slow -= 1
        else:
            self._free += 1

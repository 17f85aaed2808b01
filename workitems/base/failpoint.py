"""Points at which a fault test ends the process like a power failure: `TUBEPOST_FAILPOINT=<name>[:<times>]`.

Nothing happens unless the variable is set; it is read once.
"""

import os
import signal

_name, _, _times = os.environ.get("TUBEPOST_FAILPOINT", "").partition(":")
_left = int(_times or 1)


def reach(name: str) -> None:
    """Kill this process without any clean-up when it reaches this point for the n-th time, as the variable says."""
    global _left
    if name == _name:
        _left -= 1
        if _left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

"""Measures CPU time for tests that compare two times: a bound in seconds would depend on the machine."""

import gc
import time
from collections.abc import Callable


def cpu_seconds(work: Callable[[], object], runs: int = 5) -> float:
    """Return the least CPU time of several *runs* of *work*: other work of the machine only adds to it."""
    times = []
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()  # it would look at the objects of all other tests
    try:
        for _ in range(runs):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
    finally:
        if was_enabled:
            gc.enable()
    return min(times)

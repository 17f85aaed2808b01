"""Back-off: how long to wait before the next try, with jitter so that callers do not all return together.

Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: sleep = random(0, min(cap, base * 2 ** attempt)).
"""

import random
from collections.abc import Callable


def delay(
    attempt: int, *, base: float = 0.5, cap: float = 30.0, pick: Callable[[float, float], float] = random.uniform
) -> float:
    """Return the seconds to wait after the *attempt*-th failure (0 is the first), between base / 2 and *cap*."""
    return pick(base / 2, min(cap, base * 2.0 ** min(attempt, 32)))

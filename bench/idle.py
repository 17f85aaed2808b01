"""Idle streams: the share of a core that heartbeats and rotation alone take.

To save hours, heartbeats and rotation come `faster` times as often. What they take more than a server without streams
is divided by that.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.machine import cpu
from bench.row import Row
from bench.streams import Streams
from bench.tubepost import HEADER, STREAM, Tubepost
from workitems.settings import StreamSettings

_REAL = StreamSettings()

#: The mean life of a stream as a share of `max_age_seconds`: it rotates after 0.8 to 1 times that.
_MEAN_LIFE = 0.9

#: Seconds for the server to become idle after the opens.
_REST = 1.0


@dataclass(frozen=True)
class Size:
    streams: int
    faster: float


QUICK = Size(streams=50, faster=120)
USUAL = Size(streams=10_000, faster=10)
FULL = USUAL


def measure(size: Size) -> list[Row]:
    heartbeat, max_age = _REAL.heartbeat_seconds / size.faster, _REAL.max_age_seconds / size.faster
    settings = f"stream.heartbeat_seconds = {heartbeat}\nstream.max_age_seconds = {max_age}"
    life = _MEAN_LIFE * max_age
    with TemporaryDirectory(prefix="tubepost-bench-") as name, Tubepost(Path(name), settings=settings) as tubepost:
        time.sleep(_REST)
        alone = _share(tubepost.pid, life / 2)
        with Streams(tubepost.port, size.streams, STREAM, HEADER) as streams:
            # Over one mean life, from half a life on: every stream that is open then rotates once in that time.
            time.sleep(life / 2)
            busy = _share(tubepost.pid, life)
            streams.leave()
    rotated = streams.opened_again / size.streams
    share = alone + (busy - alone) / size.faster
    return [
        Row(
            figure=f"{size.streams:,} idle streams, heartbeat {_REAL.heartbeat_seconds:g} s, "
            f"rotation {_REAL.max_age_seconds:g} s",
            tubepost=f"{share:.2%} of a core (time {size.faster:g} × as fast; {rotated:.2f} rotations for each stream)",
            peer=f"no stream: {alone:.2%}",
            ratio=share / alone if alone else None,
            aim="≤ 3 %",
        )
    ]


def _share(pid: int, seconds: float) -> float:
    """Measure the share of a core that a process takes over *seconds*."""
    spent, start = cpu(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu(pid) - spent) / (time.monotonic() - start)

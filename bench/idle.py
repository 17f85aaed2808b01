"""Idle streams: what heartbeats and rotation alone take of a core.

Nobody waits hours: time is pressed. Heartbeats and rotation come `faster` times as often, and what they take more than
a server without streams takes is divided by that.
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

#: The mean life of a stream as a share of `max_age`: rotation comes after 0.8 to 1 times that.
_MEAN_LIFE = 0.9

#: Seconds in which the server comes to rest after the opens.
_REST = 1.0


@dataclass(frozen=True)
class Size:
    streams: int
    faster: float


QUICK = Size(streams=50, faster=120)
USUAL = Size(streams=10_000, faster=10)
FULL = USUAL


def measure(size: Size) -> list[Row]:
    heartbeat, max_age = _REAL.heartbeat / size.faster, _REAL.max_age / size.faster
    settings = f"stream.heartbeat = {heartbeat}\nstream.max_age = {max_age}"
    life = _MEAN_LIFE * max_age
    with TemporaryDirectory(prefix="tubepost-bench-") as name, Tubepost(Path(name), settings=settings) as tubepost:
        time.sleep(_REST)
        alone = _share(tubepost.pid, life / 2)
        with Streams(tubepost.port, size.streams, STREAM, HEADER) as streams:
            # From half a life on, over one whole life: every stream that is open then is rotated once meanwhile.
            time.sleep(life / 2)
            busy = _share(tubepost.pid, life)
            streams.leave()
    rotated = streams.opened_again / size.streams
    share = alone + (busy - alone) / size.faster
    return [
        Row(
            figure=f"{size.streams:,} idle streams, heartbeat {_REAL.heartbeat:g} s, rotation {_REAL.max_age:g} s",
            tubepost=f"{share:.2%} of a core (in time {size.faster:g} × as fast; {rotated:.2f} rotations a stream)",
            peer=f"no stream: {alone:.2%}",
            ratio=share / alone if alone else None,
            aim="≤ 3 %",
        )
    ]


def _share(pid: int, seconds: float) -> float:
    """Of a core, over so many seconds."""
    spent, start = cpu(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu(pid) - spent) / (time.monotonic() - start)

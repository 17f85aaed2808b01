"""Two server processes on one socket, as supervisord runs them, beside one alone: deliveries per second of a burst.

Nothing is bound to a core here, so the program that holds the streams takes a share of the processors, too.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.machine import stopped
from bench.row import Row
from bench.streams import Streams, compiled
from bench.targets import publish_many
from bench.tubepost import HEADER, STREAM, Tubepost


@dataclass(frozen=True)
class Size:
    streams: int
    burst: int
    rounds: int


QUICK = Size(streams=50, burst=50, rounds=1)
USUAL = Size(streams=2_000, burst=500, rounds=3)
FULL = USUAL


def measure(size: Size) -> list[Row]:
    compiled("reader")
    one, two = map(median, zip(*[(_rate(size, 1), _rate(size, 2)) for _ in range(size.rounds)], strict=True))
    figure = f"burst of {size.burst:,} events, {size.streams:,} streams, two processes on one socket"
    return [Row.compare(figure, two, one, "deliveries/s", "one process", "")]


def _rate(size: Size, processes: int) -> float:
    with (
        TemporaryDirectory(prefix="tubepost-bench-") as place,
        Tubepost(Path(place), pinned=False, processes=processes) as tubepost,
        Streams(tubepost.port, size.streams, STREAM, HEADER) as streams,
    ):
        with ExitStack() as stopping:
            for pid in tubepost.pids:
                stopping.enter_context(stopped(pid))
            publish_many(tubepost.redis.url, size.burst)
            start = time.monotonic()
        return size.streams * size.burst / (streams.wait_for_deliveries(size.burst) - start)

"""All clients come back at once with a cursor, as after an outage: how long until all have what they missed, each once.

And with as many streams: how long a fan-out holds the event loop, which must stay free for everything else.
"""

import json
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench import targets
from bench.machine import OTHER_CORE, staying_on
from bench.row import Row, number
from bench.streams import TIMEOUT, Streams, compiled
from bench.targets import Target
from bench.tubepost import TOKEN


@dataclass(frozen=True)
class Size:
    """`streams` come back that missed `missed` events; then `events` go out one by one, and `burst` at once."""

    streams: int
    missed: int
    events: int
    burst: int
    rounds: int


QUICK = Size(streams=50, missed=5, events=5, burst=20, rounds=1)
USUAL = Size(streams=10_000, missed=20, events=20, burst=100, rounds=3)
FULL = USUAL


@dataclass(frozen=True)
class ReturnResult:
    """Seconds until all had what they missed, of the longest hold, and of a whole fan-out of one event."""

    back: float
    held: float
    whole: float


def measure(size: Size) -> list[Row]:
    compiled("reader")
    nchan = targets.has_nchan()
    with staying_on(OTHER_CORE):
        rounds = [(_ours(size), _nchan(size) if nchan else 0.0) for _ in range(size.rounds)]
    back, whole = (median(getattr(ours, name) for ours, _ in rounds) for name in ("back", "whole"))
    held = max(ours.held for ours, _ in rounds)
    figure = f"{size.streams:,} clients back at once, each missed {size.missed} events: until all have them, once"
    hold = f"longest hold of the event loop by a fan-out to {size.streams:,} streams"
    return [
        Row.compare(figure, back, median(theirs for _, theirs in rounds), "s", "nchan, from its oldest message", "")
        if nchan
        else Row(figure, f"{number(back)} s", "nchan: not installed", None, ""),
        Row.compare(hold, 1000 * held, 1000 * whole, "ms", "a whole fan-out", "≤ 10 ms"),
    ]


def _ours(size: Size) -> ReturnResult:
    with TemporaryDirectory(prefix="tubepost-bench-") as place, targets.tubepost(Path(place)) as target:
        target.publish()
        cursor = _stats(target)["head"]
        target.publish_many(size.missed)
        start = time.monotonic()
        with Streams(target.port, size.streams, target.path, f"{target.header}\r\nLast-Event-ID: {cursor}") as streams:
            back = streams.wait_for_deliveries(size.missed) - start
            held, whole = 0.0, list[float]()
            for _ in range(size.events):
                start = time.monotonic()
                target.publish()
                whole.append(streams.wait_for_deliveries() - start)
                held = max(held, _stats(target)["fan_out_hold"])
            target.publish_many(size.burst)
            streams.wait_for_deliveries(size.burst)
            return ReturnResult(back, max(held, _stats(target)["fan_out_hold"]), median(whole))


def _nchan(size: Size) -> float:
    with TemporaryDirectory(prefix="tubepost-bench-") as place, targets.nchan(Path(place)) as target:
        target.publish_many(size.missed)
        start = time.monotonic()
        with Streams(target.port, size.streams, targets.FROM_OLDEST) as streams:
            return streams.wait_for_deliveries(size.missed) - start


def _stats(target: Target) -> dict[str, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{target.port}/api/stats")
    request.add_header("Authorization", f"Bearer {TOKEN}")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        stats: dict[str, Any] = json.load(answer)
    return stats

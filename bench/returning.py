"""Everybody comes back at once with a cursor, as after a cut: how long until all have what they missed, each once.

And with as many streams: how long a fan-out holds the event loop, which must stay free for all else.
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
from bench.row import Row
from bench.streams import PATIENCE, Streams, compiled
from bench.targets import Target
from bench.tubepost import TOKEN


@dataclass(frozen=True)
class Size:
    """`streams` come back having missed `missed` events; then `events` go out one at a time, and `burst` at once."""

    streams: int
    missed: int
    events: int
    burst: int
    rounds: int


QUICK = Size(streams=50, missed=5, events=5, burst=20, rounds=1)
USUAL = Size(streams=10_000, missed=20, events=20, burst=100, rounds=1)
FULL = USUAL


def measure(size: Size) -> list[Row]:
    compiled("reader")
    nchan = targets.has_nchan()
    with staying_on(OTHER_CORE):
        rounds = [(_ours(size), _nchan(size) if nchan else 0.0) for _ in range(size.rounds)]
    back = median(ours[0] for ours, _ in rounds)
    held = max(ours[1] for ours, _ in rounds)
    figure = f"{size.streams:,} clients back at once, {size.missed} events missed by each: until all have them once"
    peer = "nchan, all from its oldest message"
    return [
        Row.compare(figure, back, median(theirs for _, theirs in rounds), "s", peer, "")
        if nchan
        else Row(figure, f"{back:.2f} s", "nchan: not installed", None, ""),
        Row(
            f"longest hold of the event loop by a fan-out, {size.streams:,} streams, bursts of {size.burst} included",
            f"{1000 * held:.1f} ms", "–", None, "≤ 10 ms",
        ),
    ]  # fmt: skip


def _ours(size: Size) -> tuple[float, float]:
    """Seconds until all were caught up, and the longest hold in seconds."""
    with TemporaryDirectory(prefix="tubepost-bench-") as place, targets.tubepost(Path(place)) as target:
        target.publish()
        cursor = _stats(target)["head"]
        target.lay(size.missed)
        start = time.monotonic()
        with Streams(target.port, size.streams, target.path, f"{target.header}\r\nLast-Event-ID: {cursor}") as streams:
            seconds = streams.told(size.missed) - start
            held = 0.0
            for _ in range(size.events):
                target.publish()
                streams.told()
                held = max(held, _stats(target)["fan_out_hold"])
            target.lay(size.burst)
            streams.told(size.burst)
            return seconds, max(held, _stats(target)["fan_out_hold"])


def _nchan(size: Size) -> float:
    with TemporaryDirectory(prefix="tubepost-bench-") as place, targets.nchan(Path(place)) as target:
        target.lay(size.missed)
        start = time.monotonic()
        with Streams(target.port, size.streams, targets.FROM_OLDEST) as streams:
            return streams.told(size.missed) - start


def _stats(target: Target) -> dict[str, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{target.port}/api/stats")
    request.add_header("Authorization", f"Bearer {TOKEN}")
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        stats: dict[str, Any] = json.load(answer)
    return stats

"""Fan-out: what one delivery costs, beside the least that a process can do and beside nchan."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import targets
from bench.machine import OTHER_CORE, cpu, memory, staying_on, stopped
from bench.row import Row, number
from bench.streams import Streams
from bench.targets import Target

#: Events before the counting begins: the first ones find cold caches and empty buffers.
_WARM = 5

#: Seconds in which a server comes to rest after the opens.
_REST = 0.5


@dataclass(frozen=True)
class Size:
    """`events` go out one at a time, each after everybody has the one before; `burst` at once. Medians of `rounds`."""

    streams: int
    events: int
    burst: int
    rounds: int


QUICK = Size(streams=50, events=20, burst=50, rounds=1)
USUAL = Size(streams=2_000, events=200, burst=500, rounds=3)
FULL = USUAL


@dataclass(frozen=True)
class Found:
    """Of one round: µs of CPU a delivery, deliveries a second one by one and in the burst, KiB a stream.

    `cpu` has all that an event takes of the process through which it comes; `told` leaves its making to another
    process, as it is with mail, where the server has a feed.
    """

    cpu: float
    told: float
    rate: float
    burst: float
    memory: float


def measure(size: Size) -> list[Row]:
    """Fresh processes in each round, in turn, so that noise meets them all; all but what is measured on one core."""
    servers = [targets.tubepost, targets.limit, *([targets.nchan] if targets.has_nchan() else [])]
    with staying_on(OTHER_CORE):
        rounds = [[_round(server, size) for server in servers] for _ in range(size.rounds)]
    ours, limit, *rest = map(_middle, zip(*rounds, strict=True))
    return rows(size, ours, limit, rest[0] if rest else None)


def _round(server: Callable[[Path], AbstractContextManager[Target]], size: Size) -> Found:
    with TemporaryDirectory(prefix="tubepost-bench-") as place, server(Path(place)) as target:
        before = memory(target.pid)
        with Streams(target.port, size.streams, target.path, target.header) as streams:
            time.sleep(_REST)
            held = memory(target.pid) - before
            _one_by_one(target, streams, target.publish, _WARM)
            spent, seconds = _one_by_one(target, streams, target.publish, size.events)
            fed = spent
            if target.has_feed:
                fed, _ = _one_by_one(target, streams, lambda: target.lay(1), size.events)
            burst = _burst(target, streams, size.burst)
    told = size.streams * size.events
    return Found(
        cpu=1e6 * spent / told,
        told=1e6 * fed / told,
        rate=told / seconds,
        burst=size.streams * size.burst / burst,
        memory=held / size.streams,
    )


def _one_by_one(target: Target, streams: Streams, bring: Callable[[], None], events: int) -> tuple[float, float]:
    """Seconds of CPU and of the clock. The next event waits until the last is told, so that none share a write."""
    spent, start = cpu(target.pid), time.monotonic()
    for _ in range(events):
        bring()
        streams.told()
    return cpu(target.pid) - spent, time.monotonic() - start


def _burst(target: Target, streams: Streams, events: int) -> float:
    """Seconds from the moment the server may work on what lies there until everybody has been told all of it."""
    with stopped(target.pid):
        target.lay(events)
        start = time.monotonic()
    return streams.told(events) - start


def _middle(found: tuple[Found, ...]) -> Found:
    return Found(*(median(getattr(each, name) for each in found) for name in Found.__dataclass_fields__))


def rows(size: Size, ours: Found, limit: Found, nchan: Found | None) -> list[Row]:
    """What was found, beside each peer."""
    many = f"{size.streams:,} streams"
    cost, speed = f"CPU a delivery, {many}", f"events one at a time, {many}"
    burst, space = f"burst of {size.burst:,} events, {many}", f"memory a stream, {many}"
    beside = [
        Row.compare(cost, ours.cpu, limit.cpu, "µs", "C limit", "≤ 1.3"),
        Row.compare(f"{cost}, item by another process", ours.told, limit.cpu, "µs", "C limit", ""),
        Row.compare(speed, ours.rate, limit.rate, "deliveries/s", "C limit", ""),
        Row.compare(burst, ours.burst, limit.burst, "deliveries/s", "C limit", ""),
    ]
    if nchan is None:
        missing = "nchan: not installed"
        return [
            *beside,
            Row(cost, f"{number(ours.cpu)} µs", missing, None, "≤ 0.8"),
            Row(burst, f"{number(ours.burst)} deliveries/s", missing, None, "≥ 3"),
            Row(space, f"{number(ours.memory)} KiB", missing, None, "≤ 5 KiB"),
        ]
    return [
        *beside,
        Row.compare(cost, ours.cpu, nchan.cpu, "µs", "nchan", "≤ 0.8"),
        Row.compare(f"{cost}, item by another process", ours.told, nchan.cpu, "µs", "nchan", ""),
        Row.compare(speed, ours.rate, nchan.rate, "deliveries/s", "nchan", ""),
        Row.compare(burst, ours.burst, nchan.burst, "deliveries/s", "nchan", "≥ 3"),
        Row.compare(space, ours.memory, nchan.memory, "KiB", "nchan", "≤ 5 KiB"),
    ]

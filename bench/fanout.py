"""Fan-out: what one delivery costs, beside the least that one process can do, and beside nchan."""

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

#: Events before the counting begins: the first ones meet cold caches and empty buffers.
_WARM_UP = 5

#: Seconds for a server to become idle after the opens.
_REST = 0.5


@dataclass(frozen=True)
class Size:
    """`events` go out one by one, each when all streams have the one before; `burst` at once. Medians of `rounds`."""

    streams: int
    events: int
    burst: int
    rounds: int


QUICK = Size(streams=50, events=20, burst=50, rounds=1)
USUAL = Size(streams=2_000, events=200, burst=500, rounds=3)
FULL = USUAL


@dataclass(frozen=True)
class FanoutResult:
    """One round: µs of CPU for a delivery, deliveries per second one by one and in the burst, KiB for a stream.

    `cpu` has all that an event costs the process that publishes it. For `feed_cpu`, another process publishes, as it
    is with mail, if the server has a feed.
    """

    cpu: float
    feed_cpu: float
    rate: float
    burst: float
    memory: float


def measure(size: Size) -> list[Row]:
    """Use fresh processes in each round, in turn, so that noise hits all; everything but the server has one core."""
    servers = [targets.tubepost, targets.limit, *([targets.nchan] if targets.has_nchan() else [])]
    with staying_on(OTHER_CORE):
        rounds = [[_round(server, size) for server in servers] for _ in range(size.rounds)]
    ours, limit, *rest = map(_median_of, zip(*rounds, strict=True))
    return rows(size, ours, limit, rest[0] if rest else None)


def _round(server: Callable[[Path], AbstractContextManager[Target]], size: Size) -> FanoutResult:
    with TemporaryDirectory(prefix="tubepost-bench-") as place, server(Path(place)) as target:
        before = memory(target.pid)
        with Streams(target.port, size.streams, target.path, target.header) as streams:
            time.sleep(_REST)
            held = memory(target.pid) - before
            _one_by_one(target, streams, target.publish, _WARM_UP)
            spent, seconds = _one_by_one(target, streams, target.publish, size.events)
            fed = spent
            if target.has_feed:
                fed, _ = _one_by_one(target, streams, lambda: target.publish_many(1), size.events)
            burst = _burst(target, streams, size.burst)
    deliveries = size.streams * size.events
    return FanoutResult(
        cpu=1e6 * spent / deliveries,
        feed_cpu=1e6 * fed / deliveries,
        rate=deliveries / seconds,
        burst=size.streams * size.burst / burst,
        memory=held / size.streams,
    )


def _one_by_one(target: Target, streams: Streams, publish: Callable[[], None], events: int) -> tuple[float, float]:
    """Return seconds of CPU and of the clock. Each event waits for the one before, so that no two share a write."""
    spent, start = cpu(target.pid), time.monotonic()
    for _ in range(events):
        publish()
        streams.wait_for_deliveries()
    return cpu(target.pid) - spent, time.monotonic() - start


def _burst(target: Target, streams: Streams, events: int) -> float:
    """Return the seconds from the moment when the server may handle the burst until all streams have all of it."""
    with stopped(target.pid):
        target.publish_many(events)
        start = time.monotonic()
    return streams.wait_for_deliveries(events) - start


def _median_of(found: tuple[FanoutResult, ...]) -> FanoutResult:
    return FanoutResult(*(median(getattr(each, name) for each in found) for name in FanoutResult.__dataclass_fields__))


def rows(size: Size, ours: FanoutResult, limit: FanoutResult, nchan: FanoutResult | None) -> list[Row]:
    """Return the rows of the table, for each peer."""
    many = f"{size.streams:,} streams"
    cost, speed = f"CPU a delivery, {many}", f"events one at a time, {many}"
    burst, space = f"burst of {size.burst:,} events, {many}", f"memory a stream, {many}"
    beside = [
        Row.compare(cost, ours.cpu, limit.cpu, "µs", "C limit", "≤ 1.3"),
        Row.compare(f"{cost}, item by another process", ours.feed_cpu, limit.cpu, "µs", "C limit", ""),
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
        Row.compare(f"{cost}, item by another process", ours.feed_cpu, nchan.cpu, "µs", "nchan", ""),
        Row.compare(speed, ours.rate, nchan.rate, "deliveries/s", "nchan", ""),
        Row.compare(burst, ours.burst, nchan.burst, "deliveries/s", "nchan", "≥ 3"),
        Row.compare(space, ours.memory, nchan.memory, "KiB", "nchan", "≤ 5 KiB"),
    ]

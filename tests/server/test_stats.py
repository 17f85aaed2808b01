"""What all living processes count together."""

import json
from collections.abc import Callable
from time import time
from typing import Any

from server.context import Context
from server.stats import added_up
from tests.server.conftest import TOKEN
from tests.server.test_stream import eventually, publish
from tests.support.sse_client import EventStream
from workitems import keys


def report(process: str, at: float) -> str:
    return json.dumps({"process": process, "at": at, "open": 3, "opened": 5, "deliveries": 7, "memory": 11})


async def test_living_processes_are_added_up_and_dead_ones_are_not(context: Context) -> None:
    now = time()
    await context.redis.hset(keys.SERVERS, "alive", report("alive", now))
    await context.redis.hset(keys.SERVERS, "killed", report("killed", now - 60))
    told = (await context.stats.together())["all"]
    assert [process["process"] for process in told["processes"]] == sorted(["alive", context.process])
    assert told["open"] == 3
    assert told["deliveries"] == 7 + context.hub.counts["deliveries"]


async def test_a_process_that_was_killed_long_ago_is_forgotten(context: Context) -> None:
    await context.redis.hset(keys.SERVERS, "old", report("old", time() - 7200))
    await context.stats.together()
    assert not await context.redis.hexists(keys.SERVERS, "old")


async def test_counts_are_added_up_reason_by_reason_and_of_lags_the_worst_counts() -> None:
    one = {"open": 2, "closed": {"client": 1, "slow": 2}, "lag": 0.5, "loop_lag": 0.0,
           "delivery_lag": {"buckets": {"0.1": 1, "+Inf": 2}, "sum": 0.7}}  # fmt: skip
    other = {"open": 3, "closed": {"client": 4}, "lag": 0.1, "loop_lag": 0.2,
             "delivery_lag": {"buckets": {"0.1": 5, "+Inf": 5}, "sum": 0.2}}  # fmt: skip
    told = added_up([one, other])
    assert told["open"] == 5
    assert told["closed"] == {"client": 5, "slow": 2}
    assert told["delivery_lag"] == {"buckets": {"0.1": 6, "+Inf": 7}, "sum": 0.9}
    assert (told["lag"], told["loop_lag"]) == (0.5, 0.2)


async def test_the_way_from_publishing_to_the_last_socket_is_counted_event_by_event(
    context: Context, open_stream: Callable[..., EventStream]
) -> None:
    async with open_stream(token=TOKEN) as stream:
        await publish(context, 1, 2, 3)
        for _ in range(3):
            await stream.next("new_workitem")
    await eventually(lambda: context.stats.own()["delivery_lag"]["buckets"]["+Inf"] == 3)
    lag = context.stats.own()["delivery_lag"]
    assert 0 < lag["sum"] < 30
    assert list(lag["buckets"].values()) == sorted(lag["buckets"].values())


async def test_bytes_that_wait_for_readers_are_told(context: Context, open_stream: Callable[..., EventStream]) -> None:
    async with open_stream(token=TOKEN) as stream:
        await stream.next("connected")
        (ours,) = context.hub.streams
        while not ours.queued:
            ours.write(ours.frame(b": " + b"x" * 10_000 + b"\n\n"))
        assert context.stats.own()["queued"] == ours.queued > 0


async def test_metrics_have_what_the_stream_does(
    context: Context, open_stream: Callable[..., EventStream], http_server_client: Any
) -> None:
    async with open_stream(token=TOKEN) as stream:
        await publish(context, 1)
        await stream.next("new_workitem")
        await eventually(lambda: context.stats.own()["delivery_lag"]["buckets"]["+Inf"] == 1)
        text = (await http_server_client.fetch("/metrics")).body.decode()
    for line in (
        "tubepost_open 1.0",
        "tubepost_opened_total 1.0",
        "tubepost_queued 0.0",
        'tubepost_delivery_lag_seconds_bucket{le="+Inf"} 1.0',
        "tubepost_delivery_lag_seconds_count 1.0",
    ):
        assert line in text.splitlines(), line

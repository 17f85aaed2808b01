"""The statistics of all live processes together."""

import json
from collections.abc import Callable
from time import time
from typing import Any

from server.context import Context
from server.status.process_stats import combine_reports
from tests.server.conftest import TOKEN
from tests.support.exposition import parse_exposition, values
from tests.support.items import publish
from tests.support.sse_client import EventStream
from tests.support.waiting import eventually
from workitems.base import keys
from workitems.status.server_reports import write_report


def report(process: str, at: float) -> str:
    return json.dumps({"process": process, "at": at, "open": 3, "opened": 5, "deliveries": 7, "memory": 11})


async def test_live_processes_are_added_up_and_dead_ones_are_not(context: Context) -> None:
    now = time()
    await context.redis.hset(keys.SERVERS, "alive", report("alive", now))
    await context.redis.hset(keys.SERVERS, "killed", report("killed", now - 60))
    combined = (await context.stats.combined_report())["all"]
    assert [process["process"] for process in combined["processes"]] == sorted(["alive", context.process])
    assert combined["open"] == 3
    assert combined["deliveries"] == 7 + context.hub.counts["deliveries"]


async def test_processes_of_one_name_on_several_hosts_are_all_added_up(context: Context) -> None:
    for host, streams in (("zeta", 2), ("eta", 3)):
        await write_report(context.redis, {"host": host, "process": context.process, "open": streams})
    combined = (await context.stats.combined_report())["all"]
    ours = context.settings.host
    assert combined["hosts"] == sorted(["zeta", "eta", ours])
    assert [each["host"] for each in combined["processes"]] == combined["hosts"]
    assert combined["open"] == 5


async def test_the_report_of_a_process_that_died_long_ago_is_removed(context: Context) -> None:
    await context.redis.hset(keys.SERVERS, "old", report("old", time() - 7200))
    await context.stats.combined_report()
    assert not await context.redis.hexists(keys.SERVERS, "old")


async def test_counts_are_added_up_by_reason_and_the_worst_lag_counts() -> None:
    one = {"open": 2, "closed": {"client": 1, "slow": 2}, "lag": 0.5, "loop_lag": 0.0,
           "delivery_lag": {"buckets": {"0.1": 1, "+Inf": 2}, "sum": 0.7}}  # fmt: skip
    other = {"open": 3, "closed": {"client": 4}, "lag": 0.1, "loop_lag": 0.2,
             "delivery_lag": {"buckets": {"0.1": 5, "+Inf": 5}, "sum": 0.2}}  # fmt: skip
    combined = combine_reports([one, other])
    assert combined["open"] == 5
    assert combined["closed"] == {"client": 5, "slow": 2}
    assert combined["delivery_lag"] == {"buckets": {"0.1": 6, "+Inf": 7}, "sum": 0.9}
    assert (combined["lag"], combined["loop_lag"]) == (0.5, 0.2)


async def test_the_time_from_publishing_to_the_last_socket_is_measured_for_each_event(
    context: Context, open_stream: Callable[..., EventStream]
) -> None:
    async with open_stream(token=TOKEN) as stream:
        await publish(context, 1, 2, 3)
        for _ in range(3):
            await stream.next("new_workitem")
    await eventually(lambda: context.stats.process_report()["delivery_lag"]["buckets"]["+Inf"] == 3)
    lag = context.stats.process_report()["delivery_lag"]
    assert 0 < lag["sum"] < 30
    assert list(lag["buckets"].values()) == sorted(lag["buckets"].values())


async def test_bytes_that_wait_for_clients_are_reported(
    context: Context, open_stream: Callable[..., EventStream]
) -> None:
    async with open_stream(token=TOKEN) as stream:
        await stream.next("connected")
        (ours,) = context.hub.joined_streams
        while not ours.queued_bytes:
            ours.write(ours.encode_payload(b": " + b"x" * 10_000 + b"\n\n"))
        assert context.stats.process_report()["queued"] == ours.queued_bytes > 0


async def test_metrics_have_the_statistics_of_the_stream(
    context: Context, open_stream: Callable[..., EventStream], http_server_client: Any
) -> None:
    async with open_stream(token=TOKEN) as stream:
        await publish(context, 1)
        await stream.next("new_workitem")
        await eventually(lambda: context.stats.process_report()["delivery_lag"]["buckets"]["+Inf"] == 1)
        text = (await http_server_client.fetch("/metrics")).body.decode()
    found, mine = parse_exposition(text), ("process", context.process)
    for name, value in {"streams_open": 1, "streams_opened_total": 1, "stream_queued_bytes": 0}.items():
        assert values(found, f"tubepost_{name}") == {(mine,): value}
    assert values(found, "tubepost_delivery_lag_seconds_bucket")[("le", "+Inf"), mine] == 1
    assert values(found, "tubepost_delivery_lag_seconds_count") == {(mine,): 1}

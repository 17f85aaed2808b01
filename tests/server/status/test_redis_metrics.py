"""The metric of Redis's faults is there only while Redis says what it is like."""

import pytest

from server.status.stream_metrics import RedisCollector
from tests.support.redis_server import RedisServer
from workitems.base.errors import StoreUnavailableError
from workitems.base.redis import connect
from workitems.status.redis_facts import KINDS
from workitems.status.redis_watch import FRESH_SECONDS, RedisWatch


async def test_the_metric_of_faults_is_missing_while_redis_is_away() -> None:
    now = 1000.0
    server = RedisServer(None, None, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru").start()
    redis = connect(server.url, timeout=1.0)
    try:
        watch = RedisWatch(redis, lambda: now)
        collector = RedisCollector(watch)
        await watch.refresh()
        found = {sample.labels["kind"]: sample.value for each in collector.collect() for sample in each.samples}
        assert set(found) == set(KINDS)
        assert found["eviction"] == 1.0
        server.kill()
        now += FRESH_SECONDS
        with pytest.raises(StoreUnavailableError):
            await watch.refresh()
        assert [sample for each in collector.collect() for sample in each.samples] == []
    finally:
        await redis.aclose()
        server.stop()

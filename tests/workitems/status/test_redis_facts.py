"""What is said of a Redis from its own answers: each trap with its advice, and nothing that it does not say."""

from typing import Any

import pytest

from workitems.status.redis_facts import KINDS, RedisFacts, judge_redis

GOOD = {
    "redis_version": "7.0.15", "redis_mode": "standalone", "role": "master", "cluster_enabled": 0, "maxmemory": 1000,
    "maxmemory_policy": "noeviction", "used_memory": 899, "aof_enabled": 1, "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok", "evicted_keys": 0,
}  # fmt: skip
REPLICA = {"role": "slave", "slave_read_only": 1, "master_host": "10.0.0.1", "master_port": 6379}


def judge(appendfsync: str | None = "always", **info: Any) -> list[tuple[str, bool, bool]]:
    found = judge_redis(RedisFacts(GOOD | info, appendfsync))
    for each in found:
        assert each.kind in KINDS
        assert each.message.startswith("it")
        assert not each.message.endswith(".")
        assert each.advice.endswith(".")
    return [(each.kind, each.is_error, each.loses_data) for each in found]


def test_of_a_good_redis_nothing_is_said() -> None:
    assert judge() == []


@pytest.mark.parametrize(
    ("info", "found"),
    [
        ({"redis_version": "6.0.16"}, ("version", True, False)),
        ({"redis_version": "5"}, None),
        ({"redis_version": "6.2.0"}, None),
        ({"redis_version": "10.0.1"}, None),
        (REPLICA, ("replica", True, False)),
        (REPLICA | {"slave_read_only": 0}, ("replica", True, True)),
        ({"cluster_enabled": 1}, ("cluster", False, False)),
        ({"maxmemory_policy": "allkeys-lru"}, ("eviction", True, True)),
        ({"maxmemory_policy": "allkeys-random"}, ("eviction", True, True)),
        ({"maxmemory_policy": "eviction"}, ("eviction", True, True)),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 0}, ("eviction", False, False)),
        ({"maxmemory_policy": "volatile-ttl"}, ("eviction", False, False)),
        ({"used_memory": 900}, ("memory", False, False)),
        ({"used_memory": 900, "maxmemory": 0}, None),
        ({"aof_enabled": 0}, ("append_only_file", False, False)),
        ({"aof_last_write_status": "err"}, ("disk", True, False)),
        ({"rdb_last_bgsave_status": "err"}, ("disk", False, False)),
        ({"redis_mode": "sentinel"}, ("sentinel", True, False)),
        ({"server_mode": "sentinel"}, ("sentinel", True, False)),
    ],
)
def test_each_trap_is_found(info: dict[str, Any], found: tuple[str, bool, bool] | None) -> None:
    assert judge(**info) == ([found] if found else [])


def test_an_append_only_file_that_does_not_wait_for_the_disk_is_a_warning() -> None:
    assert judge("everysec") == judge("no") == [("fsync", False, False)]
    assert judge(None) == []
    assert judge("everysec", aof_enabled=0) == [("append_only_file", False, False)]


def test_what_redis_does_not_say_is_no_finding() -> None:
    assert judge_redis(RedisFacts(None)) == ()
    assert judge_redis(RedisFacts({})) == ()
    assert judge_redis(RedisFacts({"maxmemory": "?", "used_memory": [], "redis_version": None})) == ()


def test_errors_come_before_warnings() -> None:
    assert [kind for kind, *_ in judge(aof_enabled=0, **REPLICA)] == ["replica", "append_only_file"]


def test_the_advice_names_the_primary_of_a_replica_and_the_redis_of_a_sentinel() -> None:
    assert "10.0.0.1:6379" in judge_redis(RedisFacts(GOOD | REPLICA))[0].advice
    info = {"redis_mode": "sentinel", "master0": {"name": "main", "address": "10.0.0.1:6379", "status": "ok"}}
    assert "main at 10.0.0.1:6379" in judge_redis(RedisFacts(info))[0].message


@pytest.mark.parametrize(
    ("info", "repairable"),
    [
        ({}, 7),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 0}, 7),
        ({"maxmemory_policy": "volatile-lru"}, 7),
        ({"maxmemory_policy": "allkeys-lru"}, 0),
    ],
)
def test_evictions_call_for_a_repair_once_redis_deletes_no_items_any_more(
    info: dict[str, Any], repairable: int
) -> None:
    assert RedisFacts(GOOD | {"evicted_keys": 7} | info).repairable_evictions == repairable


def test_evictions_that_redis_does_not_tell_call_for_no_repair() -> None:
    assert RedisFacts(None).repairable_evictions == 0

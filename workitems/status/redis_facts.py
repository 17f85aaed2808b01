"""Judges what Redis says of itself: the only place that does, for `run.py check`, log, page, metric and intake. Pure.

INFO comes first, since services that run Redis for others often rename or forbid CONFIG. What Redis does not say is
unknown, and no finding.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workitems.status.finding import Finding

#: The oldest Redis that has all commands that we use (XAUTOCLAIM came with 6.2).
MIN_VERSION = (6, 2)

#: The part of `maxmemory` from which on Redis is nearly full.
NEARLY_FULL = 0.9

_KEEP = "Set maxmemory-policy noeviction, by CONFIG SET and in the configuration of Redis, and enough maxmemory."


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """The answer of INFO, and `appendfsync` of CONFIG GET; None where Redis does not say it."""

    info: Mapping[str, Any] | None
    appendfsync: str | None = None

    def text(self, name: str) -> str:
        """Return a value of INFO as text, '' where there is none."""
        return str((self.info or {}).get(name, ""))

    def number(self, name: str) -> int | None:
        """Return a value of INFO as a number, None where there is none."""
        found = self.text(name)
        return int(found) if re.fullmatch(r"\d{1,18}", found) else None

    @property
    def is_sentinel(self) -> bool:
        return "sentinel" in (self.text("redis_mode"), self.text("server_mode"))

    @property
    def name(self) -> str:
        """The name and the version of the server."""
        return f"{self.text('server_name') or 'redis'} {self.text('valkey_version') or self.text('redis_version')}"

    @property
    def repairable_evictions(self) -> int:
        """How many keys Redis has deleted since its start to free memory, if it deletes no items any more."""
        still = any(finding.loses_data for finding in _eviction(self))
        return 0 if still else self.number("evicted_keys") or 0


def judge_redis(facts: RedisFacts) -> tuple[Finding, ...]:
    """Return all that is wrong, the errors first."""
    if facts.is_sentinel:
        return (_sentinel(facts),)
    found = [finding for judge in _JUDGES for finding in judge(facts)]
    return tuple(sorted(found, key=lambda finding: not finding.is_error))


def _sentinel(facts: RedisFacts) -> Finding:
    master = (facts.info or {}).get("master0")
    known = f"; it watches {master.get('name')} at {master.get('address')}" if isinstance(master, dict) else ""
    message = f"it is a Sentinel, which stores nothing{known}"
    return Finding(
        "sentinel", message, "Let redis.url name the Redis that it watches, not the Sentinel.", is_error=True
    )


def _version(facts: RedisFacts) -> Iterator[Finding]:
    found = re.match(r"(\d+)\.(\d+)", facts.text("redis_version"))
    if found and (int(found[1]), int(found[2])) < MIN_VERSION:
        message = f"its version is {facts.text('redis_version')}; 6.2 or newer is needed"
        yield Finding("version", message, "Install a newer Redis, or Valkey.", is_error=True)


def _role(facts: RedisFacts) -> Iterator[Finding]:
    if facts.text("role") not in ("slave", "replica"):
        return
    primary = f"{facts.text('master_host')}:{facts.text('master_port')}"
    advice = f"Let redis.url name the primary ({primary}), or an address that follows it at a failover."
    if facts.text("slave_read_only") == "0":
        message = "it is a replica that accepts changes and loses them when it synchronises with its primary"
        yield Finding("replica", message, advice, is_error=True, loses_data=True)
    else:
        yield Finding("replica", "it is a replica, which accepts no changes", advice, is_error=True)


def _cluster(facts: RedisFacts) -> Iterator[Finding]:
    if facts.text("cluster_enabled") == "1":
        message = "it is a node of a Redis Cluster; Tubepost stops working when another node gets its data"
        yield Finding("cluster", message, "Use a Redis that is not in cluster mode.")


def _eviction(facts: RedisFacts) -> Iterator[Finding]:
    policy = facts.text("maxmemory_policy")
    if not policy or policy == "noeviction":
        return
    if policy.startswith("volatile-"):
        message = f"it deletes keys that expire when its memory is full (maxmemory-policy {policy}), such as sign-outs"
        yield Finding("eviction", message, _KEEP)
    elif facts.number("maxmemory") == 0:
        message = f"it deletes items and users as soon as it has a memory limit (maxmemory-policy {policy})"
        yield Finding("eviction", message, _KEEP)
    else:
        message = f"it deletes items and users when its memory is full (maxmemory-policy {policy})"
        yield Finding("eviction", message, _KEEP, is_error=True, loses_data=True)


def _memory(facts: RedisFacts) -> Iterator[Finding]:
    limit, used = facts.number("maxmemory"), facts.number("used_memory")
    if limit and used and used >= NEARLY_FULL * limit:
        message = f"its memory is nearly full: more than {NEARLY_FULL:.0%} of maxmemory"
        yield Finding("memory", message, "Raise maxmemory; retention.keep_days removes old items.")


def _durability(facts: RedisFacts) -> Iterator[Finding]:
    if facts.text("aof_enabled") == "0":
        message = "it has no append-only file, so a power cut loses the newest changes"
        yield Finding("append_only_file", message, "Set appendonly yes and appendfsync always.")
    elif facts.appendfsync not in (None, "", "always"):
        message = (
            f"it does not wait for the disk (appendfsync {facts.appendfsync}), so a power cut loses the newest changes"
        )
        yield Finding("fsync", message, "Set appendfsync always.")


def _disk(facts: RedisFacts) -> Iterator[Finding]:
    if facts.text("aof_last_write_status") == "err":
        message = "it could not write its append-only file"
        yield Finding(
            "disk", message, "Look at its disk and its log; it accepts changes again by itself.", is_error=True
        )
    elif facts.text("rdb_last_bgsave_status") == "err":
        message = "it could not save its data to the disk"
        yield Finding("disk", message, "Look at its disk, its memory and its log.")


_JUDGES: tuple[Callable[[RedisFacts], Iterator[Finding]], ...] = (
    _version, _role, _cluster, _eviction, _memory, _durability, _disk,
)  # fmt: skip

#: All kinds of findings about Redis: the label of a metric.
KINDS = ("version", "replica", "cluster", "eviction", "memory", "append_only_file", "fsync", "disk", "sentinel")

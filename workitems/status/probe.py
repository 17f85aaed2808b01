"""Tries what Tubepost needs of Redis: a write, since a replica can be read, and every command that is used."""

from workitems.base import keys
from workitems.base.errors import StoreUnavailableError
from workitems.base.redis import RedisClient, Script

_probe = Script("status/probe.lua")

#: Seconds between two probes of a process.
PROBE_SECONDS = 5.0

#: Commands that Tubepost needs, with arguments that show which keys and channels they concern.
#: docs/troubleshooting.md lists them, and has the rule for Redis's ACL.
NEEDED_COMMANDS = tuple(
    each.format(key=keys.PROBE, channel=keys.CHANNEL)
    for each in (
        "DEL {key}",
        "EVAL return 1 {key}",
        "EVALSHA 0 1 {key}",
        "EXEC",
        "EXISTS {key}",
        "EXPIRE {key} 1",
        "GET {key}",
        "HDEL {key} 1",
        "HEXISTS {key} 1",
        "HGET {key} 1",
        "HGETALL {key}",
        "HINCRBY {key} 1 1",
        "HKEYS {key}",
        "HLEN {key}",
        "HMGET {key} 1",
        "HSET {key} 1 1",
        "HSETNX {key} 1 1",
        "HVALS {key}",
        "MGET {key}",
        "MULTI",
        "PEXPIRE {key} 1",
        "PING",
        "PTTL {key}",
        "PUBLISH {channel} 1",
        "SET {key} 1",
        "SADD {key} 1",
        "SCAN 0",
        "SMEMBERS {key}",
        "SMISMEMBER {key} 1",
        "TIME",
        "XACK {key} 1 1-1",
        "XADD {key} * 1 1",
        "XAUTOCLAIM {key} 1 1 0 0",
        "XCLAIM {key} 1 1 0 1-1",
        "XDEL {key} 1-1",
        "XGROUP CREATE {key} 1 0",
        "XINFO CONSUMERS {key} 1",
        "XINFO STREAM {key}",
        "XLEN {key}",
        "XPENDING {key} 1",
        "XRANGE {key} - +",
        "XREAD STREAMS {key} 0",
        "XREADGROUP GROUP 1 1 STREAMS {key} 0",
        "XREVRANGE {key} + -",
        "XTRIM {key} MAXLEN 1",
        "ZADD {key} 1 1",
        "ZCARD {key}",
        "ZMSCORE {key} 1",
        "ZRANGE {key} 0 1",
        "ZRANGEBYSCORE {key} 0 1",
        "ZREM {key} 1",
        "ZREVRANGEBYSCORE {key} 1 0",
        "ZSCAN {key} 0",
        "ZSCORE {key} 1",
    )
)

#: Missing commands that a message names at most.
_MAX_LISTED = 10

_CONTAINERS = ("XGROUP", "XINFO")


def command_name(command: str) -> str:
    """Return the name of one of NEEDED_COMMANDS as an ACL rule has it: `xadd`, `xinfo|stream`."""
    words = command.split()
    return "|".join(words[: 2 if words[0] in _CONTAINERS else 1]).lower()


async def probe(redis: RedisClient) -> None:
    """Raise StoreUnavailableError if Redis takes no write, or does not permit a command that is needed."""
    found = await _probe(redis, keys.PROBE, list(NEEDED_COMMANDS))
    missing = [command_name(each.decode()) for each in found]
    if missing:
        listed = ", ".join(missing[:_MAX_LISTED]) + (" and others" if len(missing) > _MAX_LISTED else "")
        raise StoreUnavailableError(
            f"Redis cannot serve: the user of redis.url may not run {listed} "
            f"with keys {keys.PREFIX}* and the channel {keys.CHANNEL}"
        )

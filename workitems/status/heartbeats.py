"""Worker heartbeats: each worker writes one every few seconds, so that servers see when no worker is alive.

All times are of Redis's clock, in seconds: the clocks of several machines differ.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from redis.exceptions import ResponseError

from workitems.base import keys
from workitems.base.log import get_logger
from workitems.base.redis import RedisClient, translating_errors
from workitems.status.probe import probe
from workitems.status.process_metrics import installed_version

log = get_logger("worker")

#: Seconds between two heartbeats of a worker.
HEARTBEAT_SECONDS = 5.0

#: Seconds after its last heartbeat at which a worker counts as dead: two heartbeats may be late.
DEAD_AFTER_SECONDS = 3 * HEARTBEAT_SECONDS

#: Seconds after which the last heartbeat of a dead worker is removed.
FORGET_AFTER_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class WorkerHeartbeat:
    """The heartbeat of a worker. `at` is its time, `started` the time of the worker's first one.

    `mailboxes` are those whose lease it holds, `in_hand` the mails that it took and has not finished, `waiting` all
    mails of the intake.
    """

    at: float
    started: float
    pid: int
    mailboxes: tuple[str, ...] = ()
    in_hand: int = 0
    waiting: int = 0
    version: str = ""
    #: The machine that the worker runs on; '' in the heartbeat of a former version.
    host: str = ""
    #: Why the field rules in its settings file are not in use; '' while they are.
    rules_error: str = ""
    #: What distinguishes the rules that it uses (`workitems.settings.comparison`); '' in that of a former version.
    rules_digest: str = ""

    @classmethod
    def decode(cls, raw: bytes) -> Self | None:
        """Decode a heartbeat; None when *raw* is none. Unknown names are ignored: a newer worker may write more."""
        try:
            known = {name: value for name, value in json.loads(raw).items() if name in cls.__slots__}
            known |= {"at": float(known["at"]), "mailboxes": tuple(known.get("mailboxes", ()))}
            texts = {name: str(known.get(name, "")) for name in ("rules_error", "rules_digest")}
            return cls(**known | texts)
        except (ValueError, TypeError, AttributeError, KeyError):
            return None


class HeartbeatWriter:
    """Writes the heartbeat of one worker, under its stable *name*. Every method raises StoreUnavailableError."""

    def __init__(self, redis: RedisClient, name: str, pid: int, host: str = "") -> None:
        self._redis = redis
        self._name = name
        self._heartbeat = WorkerHeartbeat(0.0, 0.0, pid, version=installed_version(), host=host)
        self._warned = False

    async def write(self, mailboxes: tuple[str, ...], rules_error: str = "", rules_digest: str = "") -> None:
        """Write that the worker is alive and holds *mailboxes*; remove workers that have long been dead.

        *rules_error*: why the field rules in its settings file are not in use. *rules_digest*: those that are.
        A worker that lacks a right cannot do its work, so it does not count as alive.
        """
        await probe(self._redis)
        now = await redis_time(self._redis)
        in_hand, waiting = await self._mails()
        self._heartbeat = replace(
            self._heartbeat,
            at=now,
            started=self._heartbeat.started or now,
            mailboxes=mailboxes,
            in_hand=in_hand,
            waiting=waiting,
            rules_error=rules_error,
            rules_digest=rules_digest,
        )
        with translating_errors():
            heartbeats = await _read_heartbeats(self._redis)
            self._warn(heartbeats.get(self._name), first=self._heartbeat.started == now)
            await self._redis.hset(keys.WORKERS, self._name, json.dumps(asdict(self._heartbeat)))
            dead = [name for name, each in heartbeats.items() if not each or now - each.at > FORGET_AFTER_SECONDS]
            if dead:
                await self._redis.hdel(keys.WORKERS, *dead)

    def _warn(self, known: WorkerHeartbeat | None, *, first: bool) -> None:
        """Log once that another process writes heartbeats under our name. Our predecessor does not write again."""
        # Their times, since processes of two containers may have the same id.
        if known and known.started != self._heartbeat.started and not first and not self._warned:
            self._warned = True
            message = "another live worker has this name: give each a worker.name, and each host a host_name"
            log.warning(message, name=self._name, pid=known.pid, host=known.host)

    async def remove(self) -> None:
        """Remove the heartbeat: the worker stops."""
        with translating_errors():
            await self._redis.hdel(keys.WORKERS, self._name)

    async def _mails(self) -> tuple[int, int]:
        with translating_errors():
            waiting = int(await self._redis.xlen(keys.INTAKE))
            try:
                consumers = await self._redis.xinfo_consumers(keys.INTAKE, keys.READERS_GROUP)
            except ResponseError as error:
                if "no such key" not in str(error) and "NOGROUP" not in str(error):
                    raise
                return 0, waiting  # the intake or its group does not exist yet
        return sum(int(each["pending"]) for each in consumers if each["name"] == self._name.encode()), waiting


async def live_workers(redis: RedisClient, *, seconds: float = DEAD_AFTER_SECONDS) -> dict[str, WorkerHeartbeat]:
    """Return the workers with a heartbeat within the last *seconds*, by name. Raises StoreUnavailableError."""
    now = await redis_time(redis)
    with translating_errors():
        heartbeats = await _read_heartbeats(redis)
    return {name: each for name, each in sorted(heartbeats.items()) if each and now - each.at <= seconds}


async def redis_time(redis: RedisClient) -> float:
    """Return the time of Redis, in seconds since 1970. Raises StoreUnavailableError."""
    with translating_errors():
        seconds, micro = await redis.time()
    return float(seconds) + float(micro) / 1e6


async def _read_heartbeats(redis: RedisClient) -> Mapping[str, WorkerHeartbeat | None]:
    found: dict[bytes, Any] = await redis.hgetall(keys.WORKERS)
    return {name.decode(): WorkerHeartbeat.decode(raw) for name, raw in found.items()}

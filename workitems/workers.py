"""Who works: each worker writes itself down every few seconds, so that the servers see when none is alive.

All times are of Redis's clock, in seconds: those of several machines differ.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

from redis.exceptions import ResponseError

from workitems import keys
from workitems.log import get_logger
from workitems.redis import Client, available

log = get_logger("worker")

#: Seconds between two reports of a worker.
REPORT = 5.0

#: Seconds after which a worker that did not report is taken for dead: two reports may be late.
DEAD = 3 * REPORT

#: Seconds after which the last report of a worker that was killed is taken away.
FORGET = 3600.0


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker said of itself. `at` and `started`: when it reported and since when it runs.

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

    @classmethod
    def decode(cls, raw: bytes) -> Self | None:
        """None for what is no report; unknown names are ignored, since a newer worker may write more."""
        try:
            known = {name: value for name, value in json.loads(raw).items() if name in cls.__slots__}
            return cls(**known | {"at": float(known["at"]), "mailboxes": tuple(known.get("mailboxes", ()))})
        except (ValueError, TypeError, AttributeError, KeyError):
            return None


class Report:
    """The report of one worker, under its stable *name*. Every method raises StoreUnavailableError."""

    def __init__(self, redis: Client, name: str, pid: int) -> None:
        self._redis = redis
        self._name = name
        self._mine = Worker(0.0, 0.0, pid, version=_version())
        self._warned = False

    async def write(self, mailboxes: tuple[str, ...]) -> None:
        """Say that it is alive and holds *mailboxes*; forget who has been dead for long."""
        now = await clock(self._redis)
        in_hand, waiting = await self._mails()
        self._mine = replace(
            self._mine, at=now, started=self._mine.started or now, mailboxes=mailboxes, in_hand=in_hand, waiting=waiting
        )
        with available():
            reports = await _reports(self._redis)
            self._warn(reports.get(self._name), first=self._mine.started == now)
            await self._redis.hset(keys.WORKERS, self._name, json.dumps(asdict(self._mine)))
            dead = [name for name, each in reports.items() if not each or now - each.at > FORGET]
            if dead:
                await self._redis.hdel(keys.WORKERS, *dead)

    def _warn(self, known: Worker | None, *, first: bool) -> None:
        """Say once that another process reports under our name. A process of before ours does not report again."""
        if known and known.pid != self._mine.pid and not first and not self._warned:
            self._warned = True
            log.warning("another live worker has this name: give each a worker.name", name=self._name, pid=known.pid)

    async def leave(self) -> None:
        """It stops: it is no longer one of the living."""
        with available():
            await self._redis.hdel(keys.WORKERS, self._name)

    async def _mails(self) -> tuple[int, int]:
        with available():
            waiting = int(await self._redis.xlen(keys.INTAKE))
            try:
                consumers = await self._redis.xinfo_consumers(keys.INTAKE, keys.READERS)
            except ResponseError:  # nobody made the intake or its group yet
                return 0, waiting
        return sum(int(each["pending"]) for each in consumers if each["name"] == self._name.encode()), waiting


async def alive(redis: Client, *, seconds: float = DEAD) -> dict[str, Worker]:
    """The workers that reported within the last *seconds*, by name. Raises StoreUnavailableError."""
    now = await clock(redis)
    with available():
        reports = await _reports(redis)
    return {name: each for name, each in sorted(reports.items()) if each and now - each.at <= seconds}


async def clock(redis: Client) -> float:
    """The time of Redis, in seconds since 1970. Raises StoreUnavailableError."""
    with available():
        seconds, micro = await redis.time()
    return float(seconds) + float(micro) / 1e6


async def _reports(redis: Client) -> Mapping[str, Worker | None]:
    found: dict[bytes, Any] = await redis.hgetall(keys.WORKERS)
    return {name.decode(): Worker.decode(raw) for name, raw in found.items()}


def _version() -> str:
    try:
        return version("tubepost")
    except PackageNotFoundError:
        return ""

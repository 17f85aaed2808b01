"""A snapshot of how mail comes in: the records of mailboxes, workers, intake and quarantine, read at once.

And alarms: of all processes one reports a fault, once, and one reports its end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from workitems.base import keys
from workitems.base.redis import RedisClient, translating_errors
from workitems.status.heartbeats import WorkerHeartbeat

#: Seconds after which an alarm that is still on is reported again.
_REMIND = 86_400


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """The state at one moment; times are seconds since 1970 by Redis's clock, None where there is nothing."""

    taken_at: float
    #: (mailbox, folder) → its record in Redis.
    folders: Mapping[tuple[str, str], Mapping[str, str]]
    #: Mailbox → since when a worker holds its lease; those without a holder are missing.
    leased_since: Mapping[str, float]
    #: Worker → the time of its last heartbeat.
    workers: Mapping[str, float]
    #: Mails that wait to be read, and since when the first of them waits.
    waiting_mails: int = 0
    waiting_since: float | None = None
    #: Items in quarantine, and since when the first of them is there.
    quarantined: int = 0
    quarantined_since: float | None = None
    #: Mailbox → the number of its pending actions.
    pending_actions: Mapping[str, int] | None = None
    #: Alarms that are on.
    alarms: frozenset[str] = frozenset()
    #: Worker → why the field rules in its settings file are not in use; those without an error are missing.
    rules_errors: Mapping[str, str] = field(default_factory=dict)


async def take_snapshot(
    redis: RedisClient, mailboxes: Mapping[str, Iterable[str]], alarms: Iterable[str] = ()
) -> HealthSnapshot:
    """Read the state of *mailboxes* (name → folders) and which of *alarms* are on, in one round trip.

    Raises StoreUnavailableError.
    """
    places = [(name, folder) for name, folders in mailboxes.items() for folder in folders]
    asked = list(alarms)
    pipeline = redis.pipeline(transaction=False)
    pipeline.time()
    pipeline.hgetall(keys.WORKERS)
    pipeline.xlen(keys.INTAKE)
    pipeline.xrange(keys.INTAKE, count=1)
    pipeline.zcard(keys.QUARANTINE)
    pipeline.zrange(keys.QUARANTINE, 0, 0, withscores=True)
    for name, folder in places:
        pipeline.hgetall(keys.mailbox(name, folder))
    for name in mailboxes:
        pipeline.get(keys.lease(name))
        pipeline.zcard(keys.after(name))
    for alarm in asked:
        pipeline.exists(keys.alarm(alarm))
    with translating_errors():
        answers = iter(await pipeline.execute())
    (seconds, micro), workers, waiting, oldest, quarantined, first = (next(answers) for _ in range(6))
    folders = {place: _text(next(answers)) for place in places}
    heartbeats = {name.decode(): worker for name, raw in workers.items() if (worker := WorkerHeartbeat.decode(raw))}
    leases = {name: (next(answers), next(answers)) for name in mailboxes}
    return HealthSnapshot(
        taken_at=seconds + micro / 1e6,
        folders=folders,
        leased_since={name: _since(token) for name, (token, _) in leases.items() if token},
        workers={name: each.at for name, each in heartbeats.items()},
        waiting_mails=waiting,
        waiting_since=int(oldest[0][0].split(b"-")[0]) / 1000 if oldest else None,
        quarantined=quarantined,
        quarantined_since=first[0][1] / 1000 if first else None,
        pending_actions={name: count for name, (_, count) in leases.items()},
        alarms=frozenset(alarm for alarm in asked if next(answers)),
        rules_errors={name: each.rules_error for name, each in heartbeats.items() if each.rules_error},
    )


async def raise_alarm(redis: RedisClient, alarm: str) -> bool:
    """Switch an alarm on. Return True to the one process that is to report it. Raises StoreUnavailableError."""
    with translating_errors():
        return bool(await redis.set(keys.alarm(alarm), "1", nx=True, ex=_REMIND))


async def clear_alarm(redis: RedisClient, alarm: str) -> bool:
    """Switch an alarm off. Return True to the one process that is to report its end. Raises StoreUnavailableError."""
    with translating_errors():
        return bool(await redis.delete(keys.alarm(alarm)))


def _text(record: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in record.items()}


def _since(token: bytes) -> float:
    """Return when a lease was taken: its token begins with that time (lease.lua)."""
    return parse_number(token.decode("utf-8", "replace").split(" ")[0]) or 0.0


def parse_number(text: str | None) -> float | None:
    """Return a number as programs write it; None for anything else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None

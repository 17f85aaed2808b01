"""What all processes can know of how mail comes in: one look at the records of mailboxes, workers, intake, quarantine.

And alarms: what is wrong is told once by all processes together, and so is its end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workitems import keys
from workitems.redis import Client, available
from workitems.workers import Worker

#: Seconds after which an alarm that still lasts is told again.
_REMIND = 86_400


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look; times are seconds since 1970 by Redis's clock, None where there is nothing."""

    at: float
    #: (mailbox, folder) → its record as it lies in Redis.
    folders: Mapping[tuple[str, str], Mapping[str, str]]
    #: Mailbox → since when a worker holds its lease; those that nobody holds are missing.
    held: Mapping[str, float]
    #: Worker → when it was last heard of.
    workers: Mapping[str, float]
    #: Mails that wait to be read, and since when the first of them does.
    waiting: int = 0
    waiting_since: float | None = None
    #: Items whose mail could not be read as it should, and since when the first of them is one.
    quarantined: int = 0
    quarantined_since: float | None = None
    #: Mailbox → places where a mail is still to be dealt with.
    after: Mapping[str, int] | None = None
    #: What is told of already.
    alarms: frozenset[str] = frozenset()


async def look(redis: Client, mailboxes: Mapping[str, Iterable[str]], alarms: Iterable[str] = ()) -> Sighting:
    """Look at *mailboxes* (name → folders) and at which of *alarms* are on, in one round trip.

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
    with available():
        answers = iter(await pipeline.execute())
    (seconds, micro), workers, waiting, oldest, quarantined, first = (next(answers) for _ in range(6))
    folders = {place: _text(next(answers)) for place in places}
    leases = {name: (next(answers), next(answers)) for name in mailboxes}
    return Sighting(
        at=seconds + micro / 1e6,
        folders=folders,
        held={name: _since(token) for name, (token, _) in leases.items() if token},
        workers={name.decode(): worker.at for name, raw in workers.items() if (worker := Worker.decode(raw))},
        waiting=waiting,
        waiting_since=int(oldest[0][0].split(b"-")[0]) / 1000 if oldest else None,
        quarantined=quarantined,
        quarantined_since=first[0][1] / 1000 if first else None,
        after={name: count for name, (_, count) in leases.items()},
        alarms=frozenset(alarm for alarm in asked if next(answers)),
    )


async def raise_alarm(redis: Client, alarm: str) -> bool:
    """True for the one process that is to tell of it. Raises StoreUnavailableError."""
    with available():
        return bool(await redis.set(keys.alarm(alarm), "1", nx=True, ex=_REMIND))


async def end_alarm(redis: Client, alarm: str) -> bool:
    """True for the one process that is to tell that it is over. Raises StoreUnavailableError."""
    with available():
        return bool(await redis.delete(keys.alarm(alarm)))


def _text(record: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in record.items()}


def _since(token: bytes) -> float:
    """A lease's token begins with the time at which it was taken (lease.lua)."""
    return number(token.decode("utf-8", "replace").split(" ")[0]) or 0.0


def number(text: str | None) -> float | None:
    """A number as programs write it; None for anything else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None

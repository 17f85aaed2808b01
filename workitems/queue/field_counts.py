"""How often each field was found: counts of a mailbox and a day (UTC), from the mails that people wrote.

`publish.lua` counts in the step that makes the item. So a mail counts once, on the day on which it became an item: a
publish that is repeated, or a new reading, changes nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, timedelta

from workitems.base import keys
from workitems.base.redis import RedisClient, translating_errors

#: Results of a field in one mail: a value, readings in doubt or of the wrong type, nothing.
FOUND, IN_DOUBT, ABSENT = RESULTS = ("found", "in_doubt", "absent")

#: Days for which the counts are kept; publish.lua has the same.
KEPT_DAYS = 400

#: Counts of so many mailboxes and days are read in one round trip: some milliseconds of work.
_AT_ONCE = 25

_FIRST_DAY = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class DayCounts:
    """The counts of one mailbox on one day: name of the field → result → number of mails."""

    day: date
    mailbox: str
    fields: dict[str, dict[str, int]] = field(default_factory=dict)


def day_number(day: date) -> int:
    """Return the number of days since 1970 by which the keys name a day."""
    return (day - _FIRST_DAY).days


async def read_field_counts(redis: RedisClient, mailboxes: Collection[str], first: date, last: date) -> list[DayCounts]:
    """Return the counts of *mailboxes* from *first* to *last*, by day; days without any are left out.

    Raises StoreUnavailableError. The caller bounds how many days and mailboxes there are.
    """
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    wanted = [(day, mailbox) for day in days for mailbox in mailboxes]
    found: list[DayCounts] = []
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        with translating_errors():
            async with redis.pipeline(transaction=False) as pipe:
                for day, mailbox in part:
                    pipe.hgetall(keys.field_counts(mailbox, day_number(day)))
                records = await pipe.execute()
        found += [_decode(day, mailbox, record) for (day, mailbox), record in zip(part, records, strict=True) if record]
    return found


def _decode(day: date, mailbox: str, record: dict[bytes, bytes]) -> DayCounts:
    counts = DayCounts(day, mailbox)
    for name, number in sorted(record.items()):
        field_name, _, result = name.decode().rpartition(":")
        counts.fields.setdefault(field_name, dict.fromkeys(RESULTS, 0))[result] = int(number)
    return counts

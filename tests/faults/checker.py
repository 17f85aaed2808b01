"""Compares what a client received with what was published: each event once and in order, and the same list."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

from tests.support.record import ReceivedEvent, Record, Run

#: The events of the feed, oldest first, until Redis lost some of them.
History = Sequence[ReceivedEvent]


@dataclass
class Verdict:
    """Counts of events. `strange`: received, but never published after the cursor of the run."""

    received: int = 0
    missed: int = 0
    doubled: int = 0
    strange: int = 0
    disordered: int = 0
    #: Clients whose list differs from that of the store.
    differing: int = 0

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def faults(self) -> int:
        return self.missed + self.doubled + self.strange + self.disordered + self.differing


def check(record: Record, lives: Sequence[History], store: dict[str, int]) -> Verdict:
    """Check one client. *lives*: the feed before each loss, and now. *store*: id → version of all items now.

    A run that ended with a `reset` must be a part of one of *lives*, without a gap. The last run must reach the end.
    """
    *broken, last = record.runs
    verdict = Verdict(differing=int(last.items is None or last.mirror() != store))
    verdict += _compare(last, lives[-1], to_the_end=True)
    for run in broken:
        verdict += min((_compare(run, life, to_the_end=False) for life in lives), key=lambda found: found.faults)
    return verdict


def _compare(run: Run, life: History, *, to_the_end: bool) -> Verdict:
    positions = {each.cursor: number for number, each in enumerate(life, 1)}
    begin = positions.get(run.start, 0 if run.start == "0-0" else None)
    if begin is None:  # the feed never had that cursor in this life
        return Verdict(received=len(run.received), strange=max(1, len(run.received)))
    end = len(life)
    if not to_the_end:
        end = max((positions.get(each.cursor, begin) for each in run.received), default=begin)
    expected, received = Counter(life[begin:end]), Counter(run.received)
    inside = [positions[each.cursor] for each in run.received if each in expected]
    return Verdict(
        received=len(run.received),
        missed=(expected - received).total(),
        doubled=sum(count - 1 for count in received.values()),
        strange=sum(each not in expected for each in received),
        disordered=sum(after < before for before, after in pairwise(inside)),
    )

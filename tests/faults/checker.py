"""Compares what a client saw with what was published: each event once, in order, and the list as the store has it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

from tests.support.record import Record, Run, Told

#: One life of the feed: its events, oldest first.
History = Sequence[Told]


@dataclass
class Verdict:
    """Counts over all that was checked. `strange`: told, but never published after the point that it goes on from."""

    told: int = 0
    missed: int = 0
    doubled: int = 0
    strange: int = 0
    disordered: int = 0
    #: Clients whose list is another than the store's.
    differing: int = 0

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def faults(self) -> int:
        return self.missed + self.doubled + self.strange + self.disordered + self.differing


def check(record: Record, lives: Sequence[History], store: dict[str, int]) -> Verdict:
    """*lives*: how the feed was before each loss, the last as it is now; *store*: id → version of all items now.

    A run that ended in a `reset` must be a part of one life, without a gap. The last run must go on to the very end.
    """
    *broken, last = record.runs
    verdict = Verdict(differing=int(last.items is None or last.mirror() != store))
    verdict += _compare(last, lives[-1], to_the_end=True)
    for run in broken:
        verdict += min((_compare(run, life, to_the_end=False) for life in lives), key=lambda found: found.faults)
    return verdict


def _compare(run: Run, life: History, *, to_the_end: bool) -> Verdict:
    places = {each.cursor: number for number, each in enumerate(life, 1)}
    begin = places.get(run.start, 0 if run.start == "0-0" else None)
    if begin is None:  # this life never was at that point
        return Verdict(told=len(run.told), strange=max(1, len(run.told)))
    end = len(life)
    if not to_the_end:
        end = max((places.get(each.cursor, begin) for each in run.told), default=begin)
    wanted, told = Counter(life[begin:end]), Counter(run.told)
    inside = [places[each.cursor] for each in run.told if each in wanted]
    return Verdict(
        told=len(run.told),
        missed=(wanted - told).total(),
        doubled=sum(count - 1 for count in told.values()),
        strange=sum(each not in wanted for each in told),
        disordered=sum(after < before for before, after in pairwise(inside)),
    )

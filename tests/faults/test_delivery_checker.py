"""The checker of the delivery tests finds what it is there for; else its silence would mean nothing."""

import pytest

from tests.faults.checker import Verdict, check
from tests.support.record import Record, Run, Told

LIFE = [Told(f"7-{n}", f"item {n % 4}", 1 + n // 4) for n in range(1, 9)]
STORE = {each.item: each.version for each in LIFE}


def verdict(*runs: Run, lives: list[list[Told]] | None = None) -> Verdict:
    return check(Record("rotating", list(runs)), lives or [LIFE], STORE)


def whole(told: list[Told], start: str = "0-0") -> Run:
    """A last run whose list was loaded at *start*."""
    n = int(start.partition("-")[2])
    return Run(start, told, head=start, items={each.item: each.version for each in LIFE[:n]})


def test_everything_once_and_in_order_is_no_fault() -> None:
    assert verdict(whole(LIFE)) == Verdict(told=8)
    assert verdict(whole(LIFE[3:], "7-3")) == Verdict(told=5)


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ([*LIFE[:2], *LIFE[3:]], "missed"),
        (LIFE[:-1], "missed"),
        ([*LIFE[:3], LIFE[2], *LIFE[3:]], "doubled"),
        ([LIFE[1], LIFE[0], *LIFE[2:]], "disordered"),
        ([*LIFE, Told("7-9", "item 1", 3)], "strange"),
        ([LIFE[0]._replace(version=9), *LIFE[1:]], "strange"),
        ([LIFE[0]._replace(item="item 3"), *LIFE[1:]], "missed"),
    ],
)
def test_each_fault_is_found(told: list[Told], fault: str) -> None:
    assert getattr(verdict(whole(told)), fault) == 1


def test_an_event_from_before_the_start_is_strange() -> None:
    assert verdict(whole(LIFE[2:], "7-3")).strange == 1


def test_a_list_that_is_not_the_stores_is_found() -> None:
    assert verdict(Run("0-0", LIFE, head="0-0", items={"item 5": 1})).differing == 1
    assert verdict(Run("0-0", LIFE)).differing == 1, "it never came"


def test_lost_events_may_have_been_seen_before_a_reset_and_only_then() -> None:
    lost = [*LIFE[:4], Told("7-5", "item 9", 1)]
    now = [*LIFE[:4], *(each._replace(cursor=each.cursor.replace("7-", "8-")) for each in LIFE[4:])]
    after = Run("7-4", now[4:], head="7-4", items={each.item: each.version for each in LIFE[:4]})
    assert verdict(Run("0-0", lost), after, lives=[lost, now]) == Verdict(told=9)
    assert verdict(whole([*lost, *now[4:]]), lives=[lost, now]).strange == 1


def test_a_run_that_a_reset_ended_may_not_have_a_gap() -> None:
    gap = Run("0-0", [LIFE[0], LIFE[2]])
    assert verdict(gap, whole(LIFE[3:], "7-3")).missed == 1

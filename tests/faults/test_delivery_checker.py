"""The checker of the delivery tests finds each kind of fault."""

import pytest

from tests.faults.checker import Verdict, check
from tests.support.record import ReceivedEvent, Record, Run

LIFE = [ReceivedEvent(f"7-{n}", f"item {n % 4}", 1 + n // 4) for n in range(1, 9)]
STORE = {each.item: each.version for each in LIFE}


def verdict(*runs: Run, lives: list[list[ReceivedEvent]] | None = None) -> Verdict:
    return check(Record("rotating", list(runs)), lives or [LIFE], STORE)


def last_run(received: list[ReceivedEvent], start: str = "0-0") -> Run:
    """Make a last run whose list was loaded at *start*."""
    n = int(start.partition("-")[2])
    return Run(start, received, head=start, items={each.item: each.version for each in LIFE[:n]})


def test_every_event_once_and_in_order_is_no_fault() -> None:
    assert verdict(last_run(LIFE)) == Verdict(received=8)
    assert verdict(last_run(LIFE[3:], "7-3")) == Verdict(received=5)


@pytest.mark.parametrize(
    ("received", "fault"),
    [
        ([*LIFE[:2], *LIFE[3:]], "missed"),
        (LIFE[:-1], "missed"),
        ([*LIFE[:3], LIFE[2], *LIFE[3:]], "doubled"),
        ([LIFE[1], LIFE[0], *LIFE[2:]], "disordered"),
        ([*LIFE, ReceivedEvent("7-9", "item 1", 3)], "strange"),
        ([LIFE[0]._replace(version=9), *LIFE[1:]], "strange"),
        ([LIFE[0]._replace(item="item 3"), *LIFE[1:]], "missed"),
    ],
)
def test_each_fault_is_found(received: list[ReceivedEvent], fault: str) -> None:
    assert getattr(verdict(last_run(received)), fault) == 1


def test_an_event_from_before_the_start_is_strange() -> None:
    assert verdict(last_run(LIFE[2:], "7-3")).strange == 1


def test_a_list_that_differs_from_the_store_is_found() -> None:
    assert verdict(Run("0-0", LIFE, head="0-0", items={"item 5": 1})).differing == 1
    assert verdict(Run("0-0", LIFE)).differing == 1, "the list never came"


def test_lost_events_may_be_received_only_before_a_reset() -> None:
    lost = [*LIFE[:4], ReceivedEvent("7-5", "item 9", 1)]
    now = [*LIFE[:4], *(each._replace(cursor=each.cursor.replace("7-", "8-")) for each in LIFE[4:])]
    after = Run("7-4", now[4:], head="7-4", items={each.item: each.version for each in LIFE[:4]})
    assert verdict(Run("0-0", lost), after, lives=[lost, now]) == Verdict(received=9)
    assert verdict(last_run([*lost, *now[4:]]), lives=[lost, now]).strange == 1


def test_a_run_that_a_reset_ended_must_have_no_gap() -> None:
    gap = Run("0-0", [LIFE[0], LIFE[2]])
    assert verdict(gap, last_run(LIFE[3:], "7-3")).missed == 1

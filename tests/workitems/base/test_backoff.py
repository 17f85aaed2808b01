"""Waits grow up to their cap, are never zero, and differ."""

from hypothesis import given
from hypothesis import strategies as st

from workitems.base.backoff import delay


def longest(low: float, high: float) -> float:
    return high


def test_the_longest_wait_doubles_up_to_the_cap() -> None:
    waits = [delay(attempt, base=0.5, cap=5.0, pick=longest) for attempt in range(6)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


@given(st.integers(0, 10**9))
def test_a_wait_is_between_half_the_base_and_the_cap(attempt: int) -> None:
    assert 0.25 <= delay(attempt, base=0.5, cap=30.0) <= 30.0


def test_clients_that_failed_together_do_not_retry_together() -> None:
    assert len({delay(8) for _ in range(50)}) > 40

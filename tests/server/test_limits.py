"""Places for streams."""

import pytest

from server.limits import Limits, Slot
from workitems.settings import StreamSettings


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"most": 2}, "process"), ({"most_user": 2}, "user"), ({"most_address": 2}, "address"), ({"opens": 1}, "opens")],
)
def test_each_limit_refuses_by_its_own_name(settings: dict[str, int], reason: str) -> None:
    limits = Limits(StreamSettings.model_validate(settings), clock=Clock())
    taken = [limits.take("ana", "127.0.0.1") for _ in range(3)]
    assert [isinstance(each, Slot) for each in taken] == [True, True, False]
    assert taken[2] == reason


def test_a_place_comes_back_once_however_often_it_is_given_back() -> None:
    limits = Limits(StreamSettings(most=1), clock=Clock())
    slot = limits.take("ana", "127.0.0.1")
    assert isinstance(slot, Slot)
    slot.release()
    slot.release()
    assert limits.open == 0
    assert isinstance(limits.take("ben", "::1"), Slot)


def test_ten_thousand_opens_and_closes_leave_nothing_behind() -> None:
    limits = Limits(StreamSettings(opens=100_000), clock=Clock())
    for n in range(10_000):
        slot = limits.take(f"user {n}", f"10.0.{n % 250}.1")
        assert isinstance(slot, Slot)
        slot.release()
    assert limits.open == 0
    assert not limits._names
    assert not limits._addresses


def test_opens_a_second_are_refilled_by_time() -> None:
    clock = Clock()
    limits = Limits(StreamSettings(opens=2), clock=clock)
    assert [isinstance(limits.take("a", "b"), Slot) for _ in range(5)] == [True] * 4 + [False]
    clock.now += 1.0
    assert [isinstance(limits.take("a", "b"), Slot) for _ in range(3)] == [True] * 2 + [False]

"""The limits of open streams."""

import pytest

from server.stream.connection_limits import Slot, StreamLimits
from tests.server.access.test_client_address import ONE, TWO
from workitems.settings import StreamSettings


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_streams": 2}, "process"),
        ({"max_streams_per_user": 2}, "user"),
        ({"max_streams_per_address": 2}, "address"),
        ({"opens_per_second": 1}, "opens"),
    ],
)
def test_each_limit_refuses_with_its_own_name(settings: dict[str, int], reason: str) -> None:
    limits = StreamLimits(StreamSettings.model_validate(settings), clock=Clock())
    slots = [limits.acquire("ana", "127.0.0.1") for _ in range(3)]
    assert [isinstance(each, Slot) for each in slots] == [True, True, False]
    assert slots[2] == reason


def test_a_high_descriptor_gets_no_stream_since_almost_all_are_in_use() -> None:
    limits = StreamLimits(StreamSettings(), max_descriptor=128, clock=Clock())
    assert limits.acquire("ana", "127.0.0.1", 128) == "descriptors"
    assert isinstance(limits.acquire("ana", "127.0.0.1", 127), Slot)
    assert limits.open_count == 1


@pytest.mark.parametrize(("pairs", "accepted"), [(ONE, False), (TWO, True)])
def test_the_addresses_of_one_line_share_its_streams(pairs: list[tuple[str, str]], accepted: bool) -> None:
    for one, other in pairs:
        limits = StreamLimits(StreamSettings(max_streams_per_address=1), clock=Clock())
        slots = [limits.acquire("ana", address) for address in (one, other)]
        assert [isinstance(slot, Slot) for slot in slots] == [True, accepted], (one, other)
        for slot in slots:
            if isinstance(slot, Slot):
                slot.release()
        assert not limits._networks


def test_releasing_a_slot_twice_counts_once() -> None:
    limits = StreamLimits(StreamSettings(max_streams=1), clock=Clock())
    slot = limits.acquire("ana", "127.0.0.1")
    assert isinstance(slot, Slot)
    slot.release()
    slot.release()
    assert limits.open_count == 0
    assert isinstance(limits.acquire("ben", "::1"), Slot)


def test_ten_thousand_opens_and_closes_leave_nothing_behind() -> None:
    limits = StreamLimits(StreamSettings(opens_per_second=100_000), clock=Clock())
    for n in range(10_000):
        slot = limits.acquire(f"user {n}", f"10.0.{n % 250}.1")
        assert isinstance(slot, Slot)
        slot.release()
    assert limits.open_count == 0
    assert not limits._names
    assert not limits._networks


def test_tokens_for_opens_are_refilled_over_time() -> None:
    clock = Clock()
    limits = StreamLimits(StreamSettings(opens_per_second=2), clock=clock)
    assert [isinstance(limits.acquire("a", "b"), Slot) for _ in range(5)] == [True] * 4 + [False]
    clock.now += 1.0
    assert [isinstance(limits.acquire("a", "b"), Slot) for _ in range(3)] == [True] * 2 + [False]

"""Each sender gets its turn, however much the others have."""

from hypothesis import given
from hypothesis import strategies as some

from worker.sandbox.fair_queue import FairQueue, Sender


def order(*entries: tuple[str, Sender]) -> list[str]:
    queue: FairQueue[str] = FairQueue()
    for name, sender in entries:
        queue.append(name, sender)
    return [queue.pop() for _ in range(len(queue))]


def address(name: str) -> Sender:
    return name, name.partition("@")[2]


def test_the_mail_of_one_sender_stays_in_its_order() -> None:
    names = [str(n) for n in range(50)]
    assert order(*[(name, address("a@x")) for name in names]) == names


def test_mail_of_unknown_senders_stays_in_its_order() -> None:
    names = [str(n) for n in range(50)]
    assert order(*[(name, ()) for name in names]) == names


def test_a_sender_with_one_mail_waits_for_one_mail_of_another_with_a_hundred() -> None:
    entries = [(f"much {n}", address("much@x")) for n in range(100)]
    assert order(*entries, ("one", address("one@y"))).index("one") <= 1


def test_a_hundred_addresses_of_one_domain_have_few_turns_before_another_domain() -> None:
    entries = [(f"much {n}", address(f"u{n}@x")) for n in range(100)]
    assert order(*entries, ("one", address("one@y"))).index("one") <= 8


def test_mail_that_comes_later_does_not_pass_what_waited_for_long() -> None:
    queue: FairQueue[str] = FairQueue()
    for n in range(3):
        queue.append(f"much {n}", address("much@x"))
    taken = []
    for n in range(150):
        queue.append(f"other {n}", address(f"o{n}@y{n}"))
        taken.append(queue.pop())
    assert {"much 0", "much 1", "much 2"} <= set(taken)


def test_an_entry_with_a_delay_is_passed_by_a_bounded_number_of_others() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.append("large", address("large@x"), 4.0)
    taken = []
    for n in range(300):
        queue.append(f"small {n}", address(f"s{n}@y{n}"))
        taken.append(queue.pop())
    assert 1 <= taken.index("large") <= 260


def test_entries_that_come_later_pass_delayed_ones_also_when_some_of_these_were_taken() -> None:
    queue: FairQueue[str] = FairQueue()
    for n in range(100):
        queue.append(f"large {n}", address(f"large@x{n}"), 8.0)
    taken = []
    for n in range(50):
        taken.append(queue.pop())
        queue.append(f"medium {n}", address(f"m@y{n}"), 3.0)
        queue.append(f"small {n}", address(f"s@z{n}"))
        taken += [queue.pop(), queue.pop()]
    assert taken == [name for n in range(50) for name in (f"large {n}", f"small {n}", f"medium {n}")]


def test_an_entry_that_is_put_back_is_the_next() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.append("a", ())
    queue.append("b", ())
    queue.restore(queue.pop())
    assert queue.peek() == "a"
    assert [queue.pop(), queue.pop()] == ["a", "b"]


def test_entries_that_are_put_back_keep_their_turns() -> None:
    queue: FairQueue[str] = FairQueue()
    turns = {name: queue.append(name, (), delay) for name, delay in (("slow", 2.0), ("quick", 0.0), ("slower", 3.0))}
    for name in [queue.pop() for _ in range(3)]:
        queue.restore(name, turns[name])
    assert [queue.pop() for _ in range(3)] == ["quick", "slow", "slower"]


@given(some.lists(some.tuples(some.sampled_from("abcd"), some.booleans()), max_size=60))
def test_no_entry_is_lost_or_given_twice(steps: list[tuple[str, bool]]) -> None:
    queue: FairQueue[int] = FairQueue()
    taken: list[int] = []
    for number, (name, pops) in enumerate(steps):
        queue.append(number, address(f"{name}@{name}"))
        if pops:
            taken.append(queue.pop())
    taken += [queue.pop() for _ in range(len(queue))]
    assert sorted(taken) == list(range(len(steps)))
    assert queue._ends == {}, "nothing is remembered of senders of which nothing waits"

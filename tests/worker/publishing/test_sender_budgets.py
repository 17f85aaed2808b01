"""A sender with costly mail uses up its time, which comes back."""

import pytest

from worker.publishing import sender_budgets
from worker.publishing.sender_budgets import ADDRESS_SECONDS, DOMAIN_SECONDS, FREE_SECONDS, SenderBudgets, sender_of
from worker.sandbox.fair_queue import Sender


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def address(name: str) -> Sender:
    return name, name.partition("@")[2]


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        ("Ann <Ann@Client.example>", ("ann@client.example", "client.example")),
        ("ann@client.example", ("ann@client.example", "client.example")),
        ('"x@y.example" <ann@client.example>', ("ann@client.example", "client.example")),
        ("nobody", ()),
        ("", ()),
        ("@" * 5000, ()),
    ],
)
def test_the_sender_is_the_last_address_of_the_header(header: str, sender: Sender) -> None:
    assert sender_of(f"From: {header}\r\n\r\nhi".encode()) == sender


def test_mail_that_costs_little_is_free() -> None:
    budgets = SenderBudgets()
    for _ in range(10_000):
        assert not budgets.charge(address("a@x"), FREE_SECONDS)
    assert not budgets.is_over(address("a@x"))


def test_an_address_uses_up_its_time_alone() -> None:
    budgets = SenderBudgets(Clock())
    budgets.charge(address("a@x"), ADDRESS_SECONDS)
    assert budgets.is_over(address("a@x"))
    assert not budgets.is_over(address("b@x"))


def test_many_addresses_use_up_the_time_of_their_domain() -> None:
    budgets = SenderBudgets(Clock())
    for n in range(int(DOMAIN_SECONDS)):
        budgets.charge(address(f"u{n}@x"), 1.0)
    assert budgets.is_over(address("new@x"))
    assert not budgets.is_over(address("new@y"))


def test_the_time_comes_back_within_an_hour() -> None:
    clock = Clock()
    budgets = SenderBudgets(clock)
    budgets.charge(address("a@x"), ADDRESS_SECONDS)
    clock.now += 60
    assert not budgets.is_over(address("a@x"))
    budgets.charge(address("a@x"), ADDRESS_SECONDS / 2)
    assert budgets.is_over(address("a@x"))
    clock.now += 3600
    budgets.charge(address("a@x"), ADDRESS_SECONDS / 2)
    assert not budgets.is_over(address("a@x"))


def test_unknown_senders_have_no_budget() -> None:
    budgets = SenderBudgets(Clock())
    budgets.charge((), 1000.0)
    assert not budgets.is_over(())


def test_no_more_senders_are_remembered_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_budgets, "MAX_SENDERS", 10)
    budgets = SenderBudgets(Clock())
    for n in range(100):
        budgets.charge(address(f"u{n}@x{n}"), 1.0)
    assert len(budgets._used) == 10

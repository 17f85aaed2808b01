"""Mail that costs much: its text is published, it is not tried without end, and it delays only its sender."""

import pytest

from tests.worker.polled_mailbox import make_mail, until
from tests.worker.publishing.reader_harness import POISON, ReaderHarness
from worker.publishing.sender_budgets import ADDRESS_SECONDS, SenderBudgets
from worker.reading.attachments.library_guard import DAMAGED, NOT_REACHED, TOO_SLOW
from workitems.base import keys
from workitems.intake.consumer_group import IntakeEntry


def with_files(*kinds: str, sender: str = "Jane <jane@client.example>", n: int = 1) -> bytes:
    """Make a mail with a field in its text, and an empty-looking file of each type."""
    files = "".join(
        f"--cut\r\nContent-Type: application/{kind}; name={kind}-{at}\r\nContent-Disposition: attachment\r\n\r\nx\r\n"
        for at, kind in enumerate(kinds)
    )
    return (
        f"From: {sender}\r\nMessage-ID: <{n}@client.example>\r\nSubject: Letter {n}\r\n"
        "Content-Type: multipart/mixed; boundary=cut\r\n\r\n"
        f"--cut\r\nContent-Type: text/plain\r\n\r\nPolicy number: AB-12345\r\n{files}--cut--\r\n"
    ).encode()


@pytest.fixture
def counts(harness: ReaderHarness, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the attempts that were counted, in their order."""
    count, found = harness.group.set_attempts, list[int]()

    async def counted(entry: IntakeEntry, attempts: int) -> None:
        await count(entry, attempts)
        found.append(attempts)

    monkeypatch.setattr(harness.group, "set_attempts", counted)
    return found


async def test_a_file_that_never_ends_costs_neither_the_text_nor_the_file_behind_it(
    harness: ReaderHarness, counts: list[int]
) -> None:
    item = await harness.put(with_files("x-spin", "pdf"))
    async with harness.reader(POISON, read_seconds=20.0):
        machine = await harness.machine(item)
    assert machine["flags"] == ["attachment_unread"]
    assert machine["extracted_fields"]["policy_number"] == "AB-12345"
    assert machine["extracted_fields"]["claim_number"] == "CL-4711", "the file gave it before its time ended"
    spun, behind = machine["attachments"]
    assert spun["unread"] == TOO_SLOW
    assert behind["unread"] == DAMAGED
    assert counts == [1, 2], "after a slice the first attempt was short, and the second was the last"
    assert await harness.redis.xlen(keys.FEED) == 1, "it was published once"
    reading = await harness.mailstore.get_reading(item)
    assert reading["text"] == "Policy number: AB-12345"
    assert reading["attachments"][0]["unread"] == TOO_SLOW


async def test_a_file_that_crashes_the_child_does_not_cost_the_text(harness: ReaderHarness, counts: list[int]) -> None:
    item = await harness.put(with_files("x-crash", "pdf"))
    async with harness.reader(POISON):
        machine = await harness.machine(item)
    assert machine["flags"] == ["attachment_unread"]
    assert machine["extracted_fields"] == {"policy_number": "AB-12345"}
    assert "SIGABRT" in machine["attachments"][0]["unread"]
    assert machine["attachments"][1]["unread"] == NOT_REACHED
    assert counts == [], "it was read once"
    assert await harness.redis.xlen(keys.FEED) == 1


async def test_a_mail_whose_text_takes_too_long_is_not_tried_a_third_time(
    harness: ReaderHarness, counts: list[int]
) -> None:
    item = await harness.put(make_mail(1, headers="X-Poison: spin\r\n"))
    async with harness.reader(POISON, read_seconds=1.0):
        machine = await harness.machine(item)
    assert "needs_review" in machine["flags"]
    assert "took longer than 1 s" in machine["reason"]
    assert machine["subject"] == "Letter 1"
    assert counts == [1, 2]


async def test_mail_of_a_sender_that_used_up_its_time_is_read_in_the_careful_lane(
    harness: ReaderHarness, counts: list[int]
) -> None:
    budgets = SenderBudgets()
    budgets.charge(("jane@client.example", "client.example"), ADDRESS_SECONDS + 1)
    costly = await harness.put(with_files())
    other = await harness.put(with_files(sender="john@other.example", n=2))
    async with harness.reader(budgets=budgets):
        machines = [await harness.machine(item) for item in (costly, other)]
    assert [machine["flags"] for machine in machines] == [[], []]
    assert counts == [1]


async def test_mail_of_a_sender_that_uses_up_its_time_stops_waiting_in_the_first_lane(
    harness: ReaderHarness, counts: list[int]
) -> None:
    """The first mails use up what is left; those behind them then wait in the careful lane."""
    budgets = SenderBudgets()
    budgets.charge(("jane@client.example", "client.example"), ADDRESS_SECONDS - 0.1)
    items = [await harness.put(with_files("x-spin", n=n)) for n in range(20)]
    async with harness.reader(POISON, budgets=budgets):

        async def has_begun() -> bool:
            return bool(counts)

        await until(has_begun)
        other = await harness.put(with_files(sender="john@other.example", n=99))
        await until(lambda: published(harness, other))
        read = [item for item in items if await published(harness, item)]
    assert len(read) < len(items) / 2, "the mail of another sender did not wait for them"


async def published(harness: ReaderHarness, item: str) -> bool:
    return bool(await harness.redis.exists(keys.item(item)))

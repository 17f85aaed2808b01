"""How much time each reading of a mail has, and in which children it happens."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from worker.publishing.publication import scan_result
from worker.publishing.sender_budgets import ADDRESS_SECONDS, SenderBudgets
from worker.publishing.version_reader import VersionReader, short_time, slice_time
from worker.sandbox.failure import ReadFailedError, timeout_error
from worker.sandbox.pool import FILES_SECONDS, Sandbox
from worker.sandbox.process import ReadingResult
from workitems.intake.origin import MailOrigin
from workitems.mailstore.sidecar import RawMail

RAW = b"From: Ann <ann@client.example>\r\nSubject: A letter\r\n\r\nText\r\n"


class Children:
    """A sandbox that notes how much time each mail has, and in what order mail came to several of them."""

    def __init__(self, name: str, calls: list[tuple[str, float, float, float]]) -> None:
        self._name, self._calls = name, calls
        self.result: ReadingResult | ReadFailedError = scan_result(RAW)
        self.refusals = 0

    async def start(self) -> None:
        pass

    async def read(self, _: bytes, *, limit: float, files_seconds: float, share: float, **__: Any) -> ReadingResult:
        self._calls.append((self._name, limit, files_seconds, share))
        if isinstance(self.result, ReadFailedError):
            raise self.result
        return self.result

    def refuse_waiting(self, _: Any) -> None:
        self.refusals += 1


class Parts:
    def __init__(self, budgets: SenderBudgets | None = None) -> None:
        self.calls: list[tuple[str, float, float, float]] = []
        self.first, self.careful, self.headers = (
            Children(name, self.calls) for name in ("first", "careful", "headers")
        )
        children = (cast(Sandbox, each) for each in (self.first, self.careful, self.headers))
        self.reader = VersionReader(*children, budgets)


def stored() -> list[RawMail]:
    origin = MailOrigin("desk", datetime(2026, 3, 2, tzinfo=UTC), "test", len(RAW))
    return [RawMail(origin.sidecar("wi_a", "0" * 32), RAW)]


async def test_new_mail_has_a_slice_then_a_short_and_then_a_long_reading_in_other_children() -> None:
    parts = Parts()
    await parts.reader.read(stored())
    await parts.reader.read(stored(), seconds=20.0, is_short=True)
    await parts.reader.read(stored(), seconds=20.0)
    quick, short = slice_time(len(RAW)), short_time(len(RAW), 20.0)
    assert parts.calls == [
        ("first", quick.text, quick.files, 1.0),
        ("careful", short.text, short.files, 0.5),
        ("careful", 20.0, FILES_SECONDS, 0.5),
    ]
    assert quick.text < short.text < 20.0
    assert quick.files < short.files < FILES_SECONDS


@pytest.mark.parametrize("is_short", [True, False])
async def test_a_slice_and_a_short_reading_are_not_enough_for_files_that_need_more(*, is_short: bool) -> None:
    parts = Parts()
    found = scan_result(RAW)
    parts.first.result = parts.careful.result = ReadingResult(found.reading, found.attachments, is_unfinished=True)
    seconds = 20.0 if is_short else None
    with pytest.raises(ReadFailedError, match="reading its files takes longer"):
        await parts.reader.read(stored(), seconds=seconds, is_short=is_short)
    await parts.reader.read(stored(), seconds=20.0)


async def test_a_slice_costs_a_sender_nothing_and_a_long_reading_its_budget() -> None:
    budgets = SenderBudgets()
    parts = Parts(budgets)
    for children, seconds in ((parts.first, 0.05), (parts.careful, ADDRESS_SECONDS + 1)):
        error = timeout_error(seconds)
        error.seconds = seconds
        children.result = error
    for _ in range(1000):
        with pytest.raises(ReadFailedError, match="took longer"):
            await parts.reader.read(stored())
    assert not budgets.is_over(("ann@client.example", "client.example"))
    with pytest.raises(ReadFailedError, match="took longer"):
        await parts.reader.read(stored(), seconds=20.0)
    with pytest.raises(ReadFailedError, match="mail of its sender"):
        await parts.reader.read(stored())
    assert parts.first.refusals == 1, "what waits of this sender waits in the careful lane from now on"


def test_large_mail_has_a_little_more_time() -> None:
    assert slice_time(4_000).text < 0.05
    assert 0.2 < slice_time(50_000_000).text < 0.3
    assert short_time(4_000, 20.0).text < 0.8
    assert 10 < short_time(50_000_000, 20.0).text < 11
    assert short_time(50_000_000, 2.0).text == 2.0, "never more than the settings allow"

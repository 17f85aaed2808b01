"""What a worker counts and measures while it reads."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.worker.publishing.test_mail_publisher import Parts
from worker.publishing.mail_publisher import MAX_ATTEMPTS, MailPublisher
from worker.publishing.publication import Publication
from worker.publishing.reading_metrics import ReadingMetrics
from worker.publishing.version_reader import VersionReader
from worker.sandbox.failure import ReadFailedError
from workitems.intake.consumer_group import IntakeEntry
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore, PublishResult

ENTRY = IntakeEntry("1700000000000-0", "wi_a", "desk")


class FailingParts(Parts):
    """A mail that fails, or is published with *outcome*."""

    def __init__(self, outcome: str = "") -> None:
        super().__init__()
        self.outcome = outcome

    async def read(self, *_: Any, **__: Any) -> Publication:
        if not self.outcome:
            raise ReadFailedError("timeout", "it takes too long")
        return await super().read()

    async def salvage(self, *_: Any, **__: Any) -> Publication:
        return await super().read()

    async def publish(self, *_: Any, entry: str, **__: Any) -> PublishResult:
        return PublishResult(self.outcome or "new")

    async def remove(self, _: str) -> None:
        pass


def publisher(parts: FailingParts, metrics: ReadingMetrics) -> MailPublisher:
    return MailPublisher(
        cast(MailStore, parts), cast(ItemStore, parts), cast(VersionReader, parts), asyncio.Event(),
        retry_seconds=1.0, metrics=metrics,
    )  # fmt: skip


def counts(metrics: ReadingMetrics) -> dict[tuple[str, ...], float]:
    """Return (lane, result) → mails, and (lane,) → readings that were measured, without zeros."""
    samples = [each for metric in metrics.collect() for each in metric.samples]
    return {
        tuple(each.labels.values()): each.value
        for each in samples
        if each.name.endswith(("_total", "_count")) and each.value
    }


@pytest.mark.parametrize(("outcome", "result"), [("new", "published"), ("gone", "removed")])
async def test_a_mail_counts_once_with_its_lane_and_result(outcome: str, result: str) -> None:
    metrics = ReadingMetrics()
    await publisher(FailingParts(outcome), metrics).publish_mail(ENTRY)
    assert counts(metrics) == {("first", result): 1, ("first",): 1}


async def test_a_failed_reading_counts_and_is_measured() -> None:
    metrics = ReadingMetrics()
    failing = publisher(FailingParts(), metrics)
    with pytest.raises(ReadFailedError):
        await failing.publish_mail(ENTRY)
    with pytest.raises(ReadFailedError):
        await failing.publish_mail(ENTRY, 1)
    await failing.publish_mail(ENTRY, MAX_ATTEMPTS)
    assert counts(metrics) == {
        ("first", "failed"): 1, ("first",): 1, ("careful", "failed"): 1, ("careful", "published"): 1, ("careful",): 2,
    }  # fmt: skip


def test_every_series_is_there_before_the_first_mail() -> None:
    names = [each.name for metric in ReadingMetrics().collect() for each in metric.samples]
    assert names.count("tubepost_mails_read_total") == 8
    assert names.count("tubepost_reading_seconds_count") == 2


def field_counts(metrics: ReadingMetrics) -> dict[tuple[str, ...], float]:
    """Return (mailbox, field, result) → mails."""
    samples = [each for metric in metrics.collect() for each in metric.samples]
    return {tuple(each.labels.values()): each.value for each in samples if each.name == "tubepost_fields_total"}


class FieldParts(FailingParts):
    """A mail in which a field was found."""

    async def read(self, *_: Any, **__: Any) -> Publication:
        return replace(await super().read(), field_results={"deal": "found"})


@pytest.mark.parametrize(("outcome", "mails"), [("new", 1), ("same", 0), ("renewed", 0), ("gone", 0)])
async def test_the_fields_of_a_mail_count_once_when_its_item_is_new(outcome: str, mails: int) -> None:
    metrics = ReadingMetrics()
    metrics.expect_fields({"desk": ["deal"]})
    await publisher(FieldParts(outcome), metrics).publish_mail(ENTRY)
    expected = {("desk", "deal", "found"): mails, ("desk", "deal", "in_doubt"): 0, ("desk", "deal", "absent"): 0}
    assert field_counts(metrics) == expected


def test_mailboxes_that_no_setting_names_count_together() -> None:
    metrics = ReadingMetrics()
    metrics.expect_fields({"desk": ["deal"]})
    for name in ("desk", "posted-1", "posted-2"):
        metrics.count_fields(name, {"deal": "absent"})
    found = field_counts(metrics)
    assert (found["desk", "deal", "absent"], found["*", "deal", "absent"]) == (1, 2)
    assert {mailbox for mailbox, _, _ in found} == {"desk", "*"}

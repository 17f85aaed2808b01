"""Counts the mails that a worker reads and what it finds in them, and measures how long each takes."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import product

from prometheus_client import Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from workitems.queue.field_counts import RESULTS

FIRST, CAREFUL = "first", "careful"

#: Results of one reading: published, published for review, failed and to be read again, removed during the reading.
PUBLISHED, REVIEW, FAILED, REMOVED = "published", "review", "failed", "removed"

#: The mailbox under which all mailboxes count that `expect_fields` does not know: uploads may name any.
OTHERS = "*"

#: Upper bounds in seconds, from a small mail to the longest counted attempt.
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)


class ReadingMetrics(Collector):
    """The metrics of the reading of one worker."""

    def __init__(self) -> None:
        self._mails = Counter("tubepost_mails_read", "Mails that were read", ["lane", "result"], registry=None)
        self._seconds = Histogram(
            "tubepost_reading_seconds", "Seconds to read a mail", ["lane"], buckets=_BOUNDS, registry=None
        )
        self._fields = Counter(
            "tubepost_fields",
            "Expected fields in new mails of people",
            ["mailbox", "field", "result"],
            registry=None,
        )
        self._mailboxes: set[str] = set()
        for lane in (FIRST, CAREFUL):  # a rate needs the value 0 before the first mail
            self._seconds.labels(lane)
            for result in (PUBLISHED, REVIEW, FAILED, REMOVED):
                self._mails.labels(lane, result)

    def collect(self) -> Iterator[Metric]:
        yield from self._mails.collect()
        yield from self._seconds.collect()
        yield from self._fields.collect()

    @contextmanager
    def time(self, lane: str) -> Iterator[None]:
        """Measure a reading in *lane*, whether it succeeds or fails."""
        with self._seconds.labels(lane).time():
            yield

    def count(self, lane: str, result: str) -> None:
        """Count one mail."""
        self._mails.labels(lane, result).inc()

    def expect_fields(self, expected: Mapping[str, Iterable[str]]) -> None:
        """Have the *expected* fields of mailboxes in the metrics, also before they were first counted."""
        self._mailboxes |= expected.keys()
        for mailbox, fields in expected.items():
            for field, result in product(fields, RESULTS):
                self._fields.labels(mailbox, field, result)

    def count_fields(self, mailbox: str, results: Mapping[str, str]) -> None:
        """Count the *results* (`field_results`) of one new mail of *mailbox*."""
        label = mailbox if mailbox in self._mailboxes else OTHERS
        for field, result in results.items():
            self._fields.labels(label, field, result).inc()

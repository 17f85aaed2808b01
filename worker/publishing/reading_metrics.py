"""Counts the mails that a worker reads, and measures how long each takes."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

FIRST, CAREFUL = "first", "careful"

#: Results of one reading: published, published for review, failed and to be read again, removed during the reading.
PUBLISHED, REVIEW, FAILED, REMOVED = "published", "review", "failed", "removed"

#: Upper bounds in seconds, from a small mail to the longest counted attempt.
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)


class ReadingMetrics(Collector):
    """The metrics of the reading of one worker."""

    def __init__(self) -> None:
        self._mails = Counter("tubepost_mails_read", "Mails that were read", ["lane", "result"], registry=None)
        self._seconds = Histogram(
            "tubepost_reading_seconds", "Seconds to read a mail", ["lane"], buckets=_BOUNDS, registry=None
        )
        for lane in (FIRST, CAREFUL):  # a rate needs the value 0 before the first mail
            self._seconds.labels(lane)
            for result in (PUBLISHED, REVIEW, FAILED, REMOVED):
                self._mails.labels(lane, result)

    def collect(self) -> Iterator[Metric]:
        yield from self._mails.collect()
        yield from self._seconds.collect()

    @contextmanager
    def time(self, lane: str) -> Iterator[None]:
        """Measure a reading in *lane*, whether it succeeds or fails."""
        with self._seconds.labels(lane).time():
            yield

    def count(self, lane: str, result: str) -> None:
        """Count one mail."""
        self._mails.labels(lane, result).inc()

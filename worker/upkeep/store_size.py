"""Measures the mail store little by little: to look at a million files at once would keep the disk busy for minutes."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from workitems.base.errors import NotFoundError
from workitems.base.log import get_logger
from workitems.base.service_loop import run_service_loop
from workitems.mailstore.mail_folder import FolderSize
from workitems.mailstore.store import MailStore
from workitems.status.process_metrics import gauge

log = get_logger("store_size")

#: Seconds of work after which the measuring rests, and seconds of rest.
WORK_SECONDS, REST_SECONDS = 0.05, 2.5


class StoreSize(Collector):
    """The size of the mail store: each of its folders as it was when it was measured last."""

    def __init__(self, mailstore: MailStore, *, clock: Callable[[], float] = monotonic) -> None:
        self._mailstore = mailstore
        self._clock = clock
        self._todo: list[Path] = []
        self._sizes: dict[Path, FolderSize] = {}
        #: The number of folders; None before the first were listed.
        self._folders: int | None = None

    async def run(self) -> None:
        """Measure again and again until cancelled."""
        await run_service_loop(
            self.measure_some,
            seconds=REST_SECONDS,
            waits="measuring the mail store waits",
            failed="measuring the mail store failed",
            log=log,
        )

    async def measure_some(self) -> bool:
        """Measure for WORK_SECONDS, at least one folder. Return False when all were measured."""
        begun = self._clock()
        if not self._todo:
            self._todo = [each for each in await self._mailstore.shards() if len(each.name) == 2]
            self._folders = len(self._todo)
            self._sizes = {each: self._sizes[each] for each in self._todo if each in self._sizes}
        while self._todo:
            shard = self._todo[-1]
            with suppress(NotFoundError):  # it was removed meanwhile; the next pass does not list it
                self._sizes[shard] = await self._mailstore.shard_size(shard)
            self._todo.pop()
            if self._clock() - begun >= WORK_SECONDS:
                break
        return bool(self._todo)

    def collect(self) -> Iterator[Metric]:
        """Yield the size. Ids are digests, so until all folders are measured, some of them stand for the rest."""
        if self._folders is None or (self._folders and not self._sizes):
            return
        share = self._folders / len(self._sizes) if self._sizes else 1.0
        yield self._gauge("bytes", "Bytes", sum(size.octets for size in self._sizes.values()) * share)
        yield self._gauge("files", "Files", sum(size.files for size in self._sizes.values()) * share)

    @staticmethod
    def _gauge(unit: str, text: str, value: float) -> GaugeMetricFamily:
        return gauge(f"mail_store_{unit}", f"{text} in the mail store, measured over the last minutes", round(value))

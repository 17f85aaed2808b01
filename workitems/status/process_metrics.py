"""The metrics that every program has, and a process's metrics as a whole."""

import asyncio
import platform
from collections.abc import Awaitable, Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from workitems.base.threads import Threads
from workitems.status.samples import ProcessSamples

#: Seconds that the system may take to list the open files of this process.
SYSTEM_SECONDS = 1.0


class ProcessMetrics:
    """All metrics of this process: those of *collectors*, `process_…` (Linux only) and `tubepost_build_info`."""

    def __init__(
        self, process: str, *collectors: Collector, refresh: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        """*refresh* is awaited before the *collectors* are asked."""
        self.process = process
        self._collectors = collectors
        self._refresh = refresh
        self._process_collector = ProcessCollector(registry=None)
        #: A list of thousands of open files takes milliseconds.
        self._thread = Threads(1, "metrics")

    def close(self) -> None:
        """End the thread."""
        self._thread.close()

    async def collect(self) -> ProcessSamples:
        """Return all values now; without `process_…` where the system takes longer than SYSTEM_SECONDS."""
        usual, _ = await asyncio.gather(self._of_system(), self._refreshed())
        own = [metric for collector in self._collectors for metric in collector.collect()]
        return ProcessSamples(self.process, [*usual, *_build_info(), *own])

    async def _refreshed(self) -> None:
        if self._refresh is not None:
            await self._refresh()

    async def _of_system(self) -> list[Metric]:
        try:
            return await self._thread.run_within(SYSTEM_SECONDS, lambda: list(self._process_collector.collect()))
        except TimeoutError:
            return []


def installed_version() -> str:
    """Return the version of Tubepost; '' where it runs without being installed."""
    try:
        return version("tubepost")
    except PackageNotFoundError:
        return ""


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """Return a gauge without labels; `tubepost_` is put before its name."""
    return GaugeMetricFamily(f"tubepost_{name}", text, value=value)


def labelled_gauge(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    """Return a gauge with one label; *values* has its values and those of the gauge."""
    family = GaugeMetricFamily(f"tubepost_{name}", text, labels=[label])
    for each, value in values:
        family.add_metric([each], value)
    return family


def _build_info() -> Iterator[Metric]:
    info = GaugeMetricFamily("tubepost_build_info", "1, with the version that runs", labels=["version", "python"])
    info.add_metric([installed_version(), platform.python_version()], 1)
    yield info

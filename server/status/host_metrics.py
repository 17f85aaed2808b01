"""All metrics of this host for one scrape: those of every process, and once those that all processes share."""

import asyncio
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from server.status.intake_metrics import intake_metrics
from server.status.mail_store_check import MailStoreCheck
from server.status.readiness import ReadinessCheck
from workitems.base.errors import StoreUnavailableError
from workitems.base.redis import RedisClient
from workitems.settings import Settings
from workitems.status.process_metrics import ProcessMetrics, gauge, labelled_gauge
from workitems.status.redis_memory import RedisMemory, read_redis_memory
from workitems.status.sample_socket import ask_processes
from workitems.status.samples import PROCESS_LABEL, combine_samples

#: Seconds that Redis may take to say how much memory it uses.
TIMEOUT_SECONDS = 1.0


class HostMetrics:
    """Answers a scrape within milliseconds, or 2.5 seconds while Redis, a process or a disk hangs."""

    def __init__(
        self,
        own: ProcessMetrics,
        settings: Settings,
        redis: RedisClient,
        readiness: ReadinessCheck,
        mail_store: MailStoreCheck,
    ) -> None:
        self.own = own
        self._mailboxes = list(settings.mailboxes)
        self._redis = redis
        self._readiness = readiness
        self._mail_store = mail_store
        #: Where the processes of this host have their sockets.
        self._folder = settings.runtime_folder

    async def render(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        own, others, memory = await asyncio.gather(
            self.own.collect(), ask_processes(self._folder, except_process=self.own.process), self._read_memory()
        )
        processes = [own, *others.answered]
        names = [(each.process, 1.0) for each in processes] + [(name, 0.0) for name in others.silent]
        up = labelled_gauge("process_up", "1 if the process answered, 0 if it runs and does not", PROCESS_LABEL, names)
        last = self._readiness.last
        shared = [*intake_metrics(last.intake if last else None, self._mailboxes), *self._disks(), *_memory(memory)]
        return _render([up, *combine_samples(sorted(processes, key=lambda each: each.process)), *shared])

    async def _read_memory(self) -> RedisMemory | None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await read_redis_memory(self._redis)
        except (StoreUnavailableError, TimeoutError):
            return None

    def _disks(self) -> Iterator[Metric]:
        disks = self._mail_store.disks.items()
        free = [(folder, disk.free) for folder, disk in disks]
        yield labelled_gauge("disk_free_bytes", "Bytes that may still be written to the folder's disk", "folder", free)
        size = [(folder, disk.total) for folder, disk in disks]
        yield labelled_gauge("disk_size_bytes", "Bytes of the folder's disk", "folder", size)


class _Collected(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _render(metrics: Iterable[Metric]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(metrics))
    return generate_latest(registry)


def _memory(memory: RedisMemory | None) -> Iterator[Metric]:
    if memory is not None:
        yield gauge("redis_memory_used_bytes", "Bytes of memory that Redis uses", memory.used)
        yield gauge("redis_memory_max_bytes", "Bytes that Redis may use at most; 0: no limit", memory.maximum)

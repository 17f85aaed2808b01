"""`GET /metrics` for Prometheus: open to loopback, with a key to everybody else."""

from collections.abc import Iterator
from ipaddress import ip_address
from time import time
from typing import ClassVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from server.auth import client_address
from server.context import Context
from server.handlers.base import Handler
from server.overview import Overview
from workitems.mailbox import WATCHING

_COUNTERS = {
    "opened": "Streams opened",
    "resumed": "Streams that went on from a cursor",
    "replayed": "Events sent again to returning streams",
    "events": "Events that came from the feed",
    "deliveries": "Events and notices written to streams",
    "reader_restarts": "Times that the Redis reader had to start anew",
}
_BY_REASON = {"closed": "Streams ended", "refused": "Streams refused", "reset": "Streams told to load the list anew"}
_GAUGES = {
    "open": "Open streams",
    "queued": "Bytes that wait for readers",
    "lag": "Seconds between publishing and arrival of the newest event",
    "loop_lag": "Seconds that the event loop was late, at the worst in some seconds",
    "fan_out_hold": "Seconds for which a fan-out held the event loop, at the longest in some seconds",
    "memory": "Bytes of resident memory",
}


class _Streams(Collector):
    """Turns the process's own counters into Prometheus's form when asked."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        own = self._context.stats.own()
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"tubepost_{name}", text, value=own[name])
        for name, text in _GAUGES.items():
            yield GaugeMetricFamily(f"tubepost_{name}", text, value=own[name])
        lag = own["delivery_lag"]
        buckets = list(lag["buckets"].items())
        text = "Seconds from the publishing of an event until it was written to the last stream"
        yield HistogramMetricFamily("tubepost_delivery_lag_seconds", text, buckets=buckets, sum_value=lag["sum"])
        for name, text in _BY_REASON.items():
            family = CounterMetricFamily(f"tubepost_{name}", text, labels=["reason"])
            for reason, count in own[name].items():
                family.add_metric([reason], count)
            yield family


class _Intake(Collector):
    """How mail comes in, as this process saw it last; ages are those of now."""

    def __init__(self, seen: Overview, now: float) -> None:
        self._seen = seen
        self._now = now

    def collect(self) -> Iterator[Metric]:
        seen = self._seen
        yield _gauge("workers", "Workers that are alive", seen.workers)
        yield _gauge("intake_waiting", "Mails that wait to be read", seen.waiting)
        yield _gauge("intake_oldest_seconds", "How long the first of them has waited", self._age(seen.waiting_since))
        yield _gauge("quarantine", "Items whose mail could not be read as it should", seen.quarantined)
        oldest = self._age(seen.quarantined_since)
        yield _gauge("quarantine_oldest_seconds", "How long the first of them has been one", oldest)
        yield from self._mailboxes()
        yield from self._folders()

    def _mailboxes(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("tubepost_mailbox_up", "Whether the mailbox is read as it should", labels=["mailbox"])
        after = GaugeMetricFamily(
            "tubepost_after_waiting", "Mails still to be dealt with in the mailbox", labels=["mailbox"]
        )
        for mailbox in self._seen.mailboxes:
            up.add_metric([mailbox.name], float(mailbox.state == WATCHING))
            after.add_metric([mailbox.name], mailbox.after_waiting)
        yield from (up, after)

    def _folders(self) -> Iterator[Metric]:
        labels = ["mailbox", "folder"]
        age = GaugeMetricFamily(
            "tubepost_mailbox_age_seconds", "Seconds since a check of the folder was completed", labels=labels
        )
        baselines = CounterMetricFamily("tubepost_mailbox_baselines", "Times that counting began anew", labels=labels)
        taken = GaugeMetricFamily("tubepost_imports_taken", "Old mails that were taken", labels=labels)
        todo = GaugeMetricFamily("tubepost_imports_todo", "Old mails to be taken in all", labels=labels)
        for name, folder in ((mailbox.name, each) for mailbox in self._seen.mailboxes for each in mailbox.folders):
            where = [name, folder.folder]
            if folder.checked:
                age.add_metric(where, self._age(folder.checked))
            baselines.add_metric(where, folder.baselines)
            if folder.progress:
                taken.add_metric(where, folder.progress.taken)
                todo.add_metric(where, folder.progress.todo)
        yield from (age, baselines, taken, todo)

    def _age(self, since: float | None) -> float:
        return max(0.0, self._now - since) if since else 0.0


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"tubepost_{name}", text, value=value)


class _Posts(Collector):
    """Posted mail. Outcomes are those of the put, `told` for a notice that is no mail, or the status of a refusal."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("tubepost_posts", "Posted mail", labels=["source", "outcome"])
        for (source, outcome), count in self._context.sources.counts.items():
            family.add_metric([source, outcome], count)
        yield family


class MetricsHandler(Handler):
    """This process alone; Prometheus adds processes up itself."""

    scope: ClassVar[str | None] = None

    async def get(self) -> None:
        if not self._is_local() and await self.identify() is None:
            self.refuse(401, "unauthorized", "metrics want a key unless asked from this machine")
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Streams(self.context))
        registry.register(_Posts(self.context))
        if seen := self.context.monitor.overview:
            registry.register(_Intake(seen, time()))
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(generate_latest(registry))

    def _is_local(self) -> bool:
        """Loopback, and not the last hop of a proxy that was not named in the settings."""
        address = client_address(self.request, self.context.settings.server.proxies)
        forwarded = "X-Forwarded-For" in self.request.headers or "Forwarded" in self.request.headers
        return ip_address(address).is_loopback and not (forwarded and address == self.request.remote_ip)

"""`GET /metrics` for Prometheus: open to loopback, with a key to everybody else."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import ClassVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.auth import client_address
from server.context import Context
from server.handlers.base import Handler

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
    "lag": "Seconds between publishing and arrival of the newest event",
    "loop_lag": "Seconds that the event loop was late",
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
        for name, text in _BY_REASON.items():
            family = CounterMetricFamily(f"tubepost_{name}", text, labels=["reason"])
            for reason, count in own[name].items():
                family.add_metric([reason], count)
            yield family


class MetricsHandler(Handler):
    """This process alone; Prometheus adds processes up itself."""

    scope: ClassVar[str | None] = None

    async def get(self) -> None:
        if not self._is_local() and await self.identify() is None:
            self.refuse(401, "unauthorized", "metrics want a key unless asked from this machine")
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Streams(self.context))
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(generate_latest(registry))

    def _is_local(self) -> bool:
        """Loopback, and not the last hop of a proxy that was not named in the settings."""
        address = client_address(self.request, self.context.settings.server.proxies)
        forwarded = "X-Forwarded-For" in self.request.headers or "Forwarded" in self.request.headers
        return ip_address(address).is_loopback and not (forwarded and address == self.request.remote_ip)

"""The metrics of one server process: its streams, what it counts, and the parts that it needs."""

from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from server.status.process_stats import ProcessStats
from server.status.readiness import ReadinessCheck
from workitems.status.process_metrics import gauge, labelled_gauge
from workitems.status.redis_facts import KINDS
from workitems.status.redis_watch import RedisWatch

#: Field of the process's report → name of the metric, and its help text.
_COUNTERS = {
    "opened": ("streams_opened", "Streams opened"),
    "resumed": ("streams_resumed", "Streams that resumed from a cursor"),
    "replayed": ("events_replayed", "Events sent again to returning streams"),
    "events": ("feed_events", "Events read from the feed"),
    "deliveries": ("deliveries", "Events written to streams"),
    "reader_restarts": ("feed_reader_restarts", "Restarts of the feed reader"),
    "undecodable": ("feed_undecodable_entries", "Entries of the feed that could not be decoded and were skipped"),
}
_BY_REASON = {
    "closed": ("streams_closed", "Streams that ended"),
    "refused": ("streams_refused", "Streams that were refused"),
    "connections": ("connections_closed", "Connections that were refused or closed for what their clients did"),
    "policy_reports": ("policy_reports", "Reports of browsers that a page broke its Content-Security-Policy"),
    "reset": ("streams_reset", "Streams whose client had to load the list again"),
}
_GAUGES = {
    "open": ("streams_open", "Open streams"),
    "queued": ("stream_queued_bytes", "Bytes that wait for slow readers"),
    "lag": ("feed_lag_seconds", "Seconds between publishing and arrival of the newest event"),
    "loop_lag": ("event_loop_lag_seconds", "Longest delay of the event loop in the last seconds"),
    "fan_out_hold": ("fan_out_hold_seconds", "Longest time that a fan-out held the event loop in the last seconds"),
    "memory": ("resident_memory_bytes", "Bytes of resident memory"),
}

#: Name, help text and labels. The outcome of an upload is that of the put, `notice` for a request without a mail, or
#: the status of a refusal.
UPLOADS = ("uploads", "Uploads and webhook requests", ("source", "outcome"))
REFUSED_TRIES = ("refused_tries", "Wrong tokens, keys and passwords, and tries that had to wait", ("kind", "reason"))


class StreamCollector(Collector):
    """Turns the counters of this process into metrics at each scrape."""

    def __init__(self, stats: ProcessStats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        own = self._stats.process_report()
        for field, (name, text) in _COUNTERS.items():
            yield CounterMetricFamily(f"tubepost_{name}", text, value=own[field])
        for field, (name, text) in _GAUGES.items():
            yield gauge(name, text, own[field])
        lag = own["delivery_lag"]
        buckets = list(lag["buckets"].items())
        text = "Seconds from the publishing of an event until it was written to the last stream"
        yield HistogramMetricFamily("tubepost_delivery_lag_seconds", text, buckets=buckets, sum_value=lag["sum"])
        for field, (name, text) in _BY_REASON.items():
            family = CounterMetricFamily(f"tubepost_{name}", text, labels=["reason"])
            for reason, count in own[field].items():
                family.add_metric([reason], count)
            yield family


class CountCollector(Collector):
    """Gives counts by the values of labels as one metric."""

    def __init__(self, name: str, text: str, labels: Sequence[str], counts: Counter[tuple[str, str]]) -> None:
        """*counts*: values of *labels*, in their order → number; it is read at each scrape."""
        self._name, self._text, self._labels = name, text, labels
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(f"tubepost_{self._name}", self._text, labels=self._labels)
        for values, count in self._counts.items():
            family.add_metric(values, count)
        yield family


class RedisCollector(Collector):
    """What is wrong with Redis by its own answers; nothing while it says nothing."""

    def __init__(self, watch: RedisWatch) -> None:
        self._watch = watch

    def collect(self) -> Iterator[Metric]:
        found = {finding.kind for finding in self._watch.findings}
        kinds = [(kind, float(kind in found)) for kind in KINDS] if self._watch.facts else []
        text = "1 while Redis has this fault, which run.py check explains"
        yield labelled_gauge("redis_warnings", text, "kind", kinds)


class PartCollector(Collector):
    """What this process can use, as its last check found it."""

    def __init__(self, readiness: ReadinessCheck) -> None:
        self._readiness = readiness

    def collect(self) -> Iterator[GaugeMetricFamily]:
        last = self._readiness.last
        if last is not None:
            redis, store = last.parts["redis"], last.parts["mail_store"]
            yield gauge("redis_up", "1 while Redis serves this process", float(redis.is_up))
            yield gauge("mail_store_up", "1 while this process can use the mail store", float(store.is_up))

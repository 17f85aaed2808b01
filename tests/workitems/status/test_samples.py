"""The metrics of several processes as one exposition."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tests.support.exposition import parse_exposition, values
from workitems.base.errors import DecodeError
from workitems.status.samples import ProcessSamples, combine_samples, decode_samples, encode_samples


def metrics(n: float) -> list[Metric]:
    registry = CollectorRegistry()
    Counter("tubepost_mails_read", "Mails", ["lane"], registry=registry).labels("first").inc(n)
    Histogram("tubepost_reading_seconds", "Seconds", ["lane"], registry=registry).labels("first").observe(n)
    return [*registry.collect(), GaugeMetricFamily("tubepost_streams_open", "Streams", value=n)]


def render(found: list[Metric]) -> str:
    class Found(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from found

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Found())
    return generate_latest(registry).decode()


def passed_on(samples: ProcessSamples) -> ProcessSamples:
    return decode_samples(encode_samples(samples))


def test_each_process_has_its_own_series_of_one_metric() -> None:
    both = [passed_on(ProcessSamples("server_00", metrics(3))), ProcessSamples("server_01", metrics(5))]
    found = parse_exposition(render(combine_samples(both)))
    assert values(found, "tubepost_mails_read_total") == {
        (("lane", "first"), ("process", "server_00")): 3,
        (("lane", "first"), ("process", "server_01")): 5,
    }
    assert values(found, "tubepost_streams_open") == {(("process", "server_00"),): 3, (("process", "server_01"),): 5}
    assert len(values(found, "tubepost_reading_seconds_count")) == 2
    assert not [name for name in found if name.endswith("_created")], "the times of counters are no metrics of ours"


@given(st.text(), st.text())
def test_no_label_can_break_the_exposition(process: str, value: str) -> None:
    family = CounterMetricFamily("tubepost_x", "A text", labels=["reason"])
    family.add_metric([value], 1)
    text = render(combine_samples([ProcessSamples(process, [family])]))
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    assert len(lines) == 1, "a label is one line"


def test_a_metric_that_another_version_has_with_another_type_is_left_out() -> None:
    old = ProcessSamples("old", [GaugeMetricFamily("tubepost_x", "As a gauge", value=1)])
    new = ProcessSamples("new", [CounterMetricFamily("tubepost_x", "As a counter", value=2)])
    parse_exposition(render(combine_samples([new, old])))


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"process":"x","metrics":[[1]]}', b'{"process":"x","metrics":3}'])
def test_what_is_no_answer_is_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_samples(raw)

"""The metrics of one process as bytes, and those of all processes of a host together. Pure.

Prometheus scrapes whichever process accepts its connection, so each process gives its metrics to the others, and every
answer has those of all, with the label `process`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from workitems.base.errors import DecodeError

#: The label that every metric of one process gets.
PROCESS_LABEL = "process"

#: The end of the names that prometheus_client adds for the time at which a counter began.
_CREATED = "_created"


@dataclass(frozen=True, slots=True)
class ProcessSamples:
    """The metrics of one process at one moment."""

    process: str
    metrics: Sequence[Metric]


def encode_samples(samples: ProcessSamples) -> bytes:
    """Return *samples* as bytes, for another process of this version or of a neighbouring one."""
    metrics = [
        [metric.name, metric.type, metric.documentation, [[each.name, each.labels, each.value] for each in kept]]
        for metric in samples.metrics
        if (kept := [each for each in metric.samples if not each.name.endswith(_CREATED)])
    ]
    return json.dumps({"process": samples.process, "metrics": metrics}).encode()


def decode_samples(raw: bytes) -> ProcessSamples:
    """Return what `encode_samples` was given. Raises DecodeError."""
    try:
        found = json.loads(raw)
        return ProcessSamples(str(found["process"]), [_decode_metric(*metric) for metric in found["metrics"]])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DecodeError("the metrics of a process cannot be decoded", raw) from error


def combine_samples(processes: Iterable[ProcessSamples]) -> list[Metric]:
    """Return each metric once, with the samples of all *processes*, each labelled with its process."""
    combined: dict[str, Metric] = {}
    for samples in processes:
        for metric in samples.metrics:
            known = combined.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            if known.type == metric.type:  # else it is of another version, and the two cannot be one metric
                known.samples += [
                    Sample(each.name, {PROCESS_LABEL: samples.process} | each.labels, each.value)
                    for each in metric.samples
                    if not each.name.endswith(_CREATED)
                ]
    return list(combined.values())


def _decode_metric(name: str, kind: str, text: str, samples: list[tuple[str, Mapping[str, str], float]]) -> Metric:
    metric = Metric(name, text, kind)
    for sample, labels, value in samples:
        metric.add_sample(sample, {str(key): str(each) for key, each in labels.items()}, float(value))
    return metric

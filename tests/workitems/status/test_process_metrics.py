"""The metrics of a process never wait long for anything."""

import threading

import pytest

from workitems.status import process_metrics
from workitems.status.process_metrics import ProcessMetrics
from workitems.status.samples import ProcessSamples


def names(samples: ProcessSamples) -> set[str]:
    return {metric.name for metric in samples.metrics}


async def test_what_the_system_does_not_say_in_time_is_missing_and_the_rest_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metrics, released = ProcessMetrics("server_00"), threading.Event()
    assert {"process_open_fds", "tubepost_build_info"} <= names(await metrics.collect())
    monkeypatch.setattr(process_metrics, "SYSTEM_SECONDS", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(metrics._process_collector, "collect", lambda: [released.wait()])
        for _ in range(3):
            assert names(await metrics.collect()) == {"tubepost_build_info"}
    released.set()
    monkeypatch.setattr(process_metrics, "SYSTEM_SECONDS", 30.0)
    assert "process_open_fds" in names(await metrics.collect())
    metrics.close()

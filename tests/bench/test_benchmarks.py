"""Each benchmark runs at a tiny size and gives valid rows. No test depends on speed."""

import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from bench import costly, fanout, idle, intake, latency, listing, memory, processes, returning, start
from bench.__main__ import BENCHMARKS
from bench.fanout import FanoutResult
from bench.row import BEGIN, END, Row, number, put_between_marks, table
from tests.support.program import PROJECT

TINY = {
    fanout: fanout.Size(streams=100, events=5, burst=20, rounds=1),
    latency: latency.Size(mails=5),
    intake: intake.Size(mails=20, large=2),
    memory: memory.Size(mails=20, steps=2),
    start: start.Size(mails=50),
    listing: listing.Size(few=120, many=300, times=5),
    idle: idle.Size(streams=20, faster=200),
    returning: returning.Size(streams=100, missed=5, events=5, burst=20, rounds=1),
    processes: processes.Size(streams=50, burst=20, rounds=1),
    costly: costly.Size(ordinary=4, costly=1),
}


@pytest.mark.parametrize(("benchmark", "size"), TINY.items(), ids=[each.__name__ for each in TINY])
def test_a_benchmark_gives_rows_with_the_figures_of_both_sides(benchmark: ModuleType, size: Any) -> None:
    rows = benchmark.measure(size)
    assert rows
    for row in rows:
        assert row.figure
        assert any(digit.isdigit() for digit in row.tubepost)
        if "not installed" in row.peer:
            assert row.ratio is None
        else:
            assert row.ratio is not None
            # Processes that start and end meanwhile share pages with it; with so few streams it may seem to shrink.
            assert row.ratio > 0 or row.figure.startswith("memory a stream")
    assert table(rows).count("\n") == len(rows) + 1


def test_every_benchmark_is_tested_here_and_has_three_sizes() -> None:
    assert set(BENCHMARKS.values()) == set(TINY)
    for benchmark in BENCHMARKS.values():
        assert {"QUICK", "USUAL", "FULL"} <= vars(benchmark).keys()


def test_a_peer_that_is_not_installed_is_reported() -> None:
    found = FanoutResult(cpu=7.0, feed_cpu=6.5, rate=1.0, burst=3.0, memory=4.5)
    rows = fanout.rows(fanout.QUICK, found, found, None)
    assert [row.ratio for row in rows if row.peer == "nchan: not installed"] == [None, None, None]
    ours = intake.Measurement(10, 2.0, {"worker": 0.5})
    (row,) = intake.rows("intake", ours, [], "django-mailbox", "into SQLite", "")
    assert (row.tubepost, row.peer, row.ratio) == ("5 mails/s", "django-mailbox: not installed", None)


def test_numbers_have_three_significant_digits() -> None:
    assert [number(each) for each in (0.01234, 6.049, 14.96, 150.2, 1_234_567.8)] == [
        "0.0123", "6.05", "15", "150", "1,234,568",
    ]  # fmt: skip


def test_a_ratio_is_our_figure_divided_by_theirs() -> None:
    row = Row.compare("speed", 3.0, 2.0, "m/s", "a snail", "≥ 1")
    assert table([row]).splitlines()[-1] == "| speed | 3 m/s | a snail: 2 m/s | **1.50** | ≥ 1 |"


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    command = [sys.executable, "-m", "bench", "speed"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "'speed'" in done.stderr
    assert "fanout, latency, intake, memory, start, list, idle" in done.stderr


def test_the_table_replaces_the_last_one_between_the_marks() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert put_between_marks("new", page) == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="there are no"):
        put_between_marks("new", "a page without marks")


def test_the_readme_has_the_marks() -> None:
    assert put_between_marks("x", (PROJECT / "README.md").read_text(encoding="utf-8"))

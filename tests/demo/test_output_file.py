"""The output of the demo in a file."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.demo.test_launch import PATIENCE, eventually, project, start
from tests.support.program import free_port

__all__ = ["project", "start"]


def test_a_file_gets_all_lines_of_the_demo_and_of_its_script(
    project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    (project / "s.txt").write_text("items 1\nwait 0.1\nrepeat\n")
    output = project / "output.txt"
    demo = start("sh", "-c", f"exec {sys.executable} run.py demo --script s.txt > {output}", PORT=str(free_port()))
    eventually(lambda: output.exists() and "/login?token=" in output.read_text() and "line 1" in output.read_text())
    demo.send_signal(signal.SIGINT)
    assert demo.wait(PATIENCE) == 0
    lines = output.read_text().splitlines()
    assert "script: line 1: items 1" in lines
    assert lines[-1] == "Tubepost has ended."
    steps = [line for line in lines if line.startswith("script: ")]
    assert (
        steps == ["script: line 1: items 1", "script: line 2: wait 0.1"] * (len(steps) // 2) + steps[: len(steps) % 2]
    )

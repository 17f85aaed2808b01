"""Children end with their parent, also when it is killed."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.worker.sandbox.conftest import is_gone, processes_of, until


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_idle_and_busy_children_end_when_their_parent_is_killed(loop: str) -> None:
    program = str(Path(__file__).with_name("parent.py"))
    parent = await asyncio.create_subprocess_exec(sys.executable, program, loop, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout
    try:
        lines = [await asyncio.wait_for(parent.stdout.readline(), 30) for _ in range(3)]
        assert lines == [b"crash\n", b"memory\n", b"ready\n"]
        await until(lambda: len(processes_of(parent.pid)) >= 3, "all children have started")
        children = processes_of(parent.pid)
    finally:
        parent.kill()
        await parent.wait()

    await until(lambda: all(is_gone(pid) for pid in children), "the children have ended")

"""The embedded Redis for the time of one command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from demo.redis import running
from tests.support.program import PROJECT
from workitems.base.supervision import DataFolderInUseError, hold_alone
from workitems.settings import Settings

PROGRAM = """
import sys, time
from pathlib import Path
from demo.redis import running
from workitems.settings import Settings
with running(Settings(data=Path(sys.argv[1]))):
    print("up", flush=True)
    time.sleep(600)
"""


def test_it_keeps_what_a_command_writes_and_runs_once_at_a_time(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    with running(settings):
        with Redis.from_url(settings.redis_url) as client:
            client.set("a", "1")
        with pytest.raises(DataFolderInUseError, match="is in use by"), running(settings):
            pass
    with running(settings), Redis.from_url(settings.redis_url) as client:
        assert client.get("a") == b"1"


def test_it_ends_with_a_command_that_is_killed(tmp_path: Path) -> None:
    command = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], env={"PYTHONPATH": str(PROJECT)}, stdout=subprocess.PIPE
    )
    assert command.stdout is not None
    assert command.stdout.readline() == b"up\n"
    command.kill()
    command.wait(30)
    command.stdout.close()
    os.close(hold_alone(tmp_path / "redis" / "lock"))

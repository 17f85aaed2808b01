"""What is said when supervisord does not let us in; tests/operations/ has what it does for us."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE, eventually
from worker.commands.supervisord import Supervisord, SupervisordUnavailableError

#: A user that owns nothing here.
NOBODY = 65_534

CONF = """
[supervisord]
nodaemon = true
pidfile = %(here)s/supervisord.pid
logfile = %(here)s/supervisord.log
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[unix_http_server]
file = %(here)s/supervisor.sock
chmod = 0700
"""


@pytest.fixture
def extra() -> str:
    return ""


@pytest.fixture
def supervisord(tmp_path: Path, extra: str) -> Iterator[subprocess.Popen[bytes]]:
    (tmp_path / "supervisord.conf").write_text(CONF + extra)
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(tmp_path / "supervisord.conf")]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        yield process
        process.terminate()
        process.wait(PATIENCE)


@pytest.mark.parametrize("extra", ["username = somebody\npassword = hidden-word\n"])
async def test_a_supervisord_with_a_password_is_one_clear_sentence(
    supervisord: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    path = tmp_path / "supervisor.sock"
    await eventually(path.exists)
    with pytest.raises(SupervisordUnavailableError, match=r"supervisord asks for a password at .*Remove `username`"):
        Supervisord(path).processes()


async def test_the_supervisord_of_another_user_is_one_clear_sentence(
    supervisord: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    path = tmp_path / "supervisor.sock"
    await eventually(path.exists)
    assert Supervisord(path).processes() == []
    path.chmod(0)
    user = os.geteuid()
    asked = Supervisord(path)
    try:
        if user == 0:
            os.seteuid(NOBODY)
        with pytest.raises(SupervisordUnavailableError, match="Run this as the user that runs supervisord"):
            asked.processes()
    finally:
        os.seteuid(user)

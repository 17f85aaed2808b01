"""A failpoint ends the process; without one nothing happens."""

import signal
import subprocess
import sys

import pytest

PROGRAM = "from workitems.base import failpoint\nfor n in range(3): failpoint.reach('put'); print(n, flush=True)"


@pytest.mark.parametrize(
    ("set_to", "printed", "ended"),
    [(None, "012", 0), ("stored", "012", 0), ("put", "", -signal.SIGKILL), ("put:3", "01", -signal.SIGKILL)],
)
def test_the_process_ends_when_it_reaches_the_point_often_enough(set_to: str | None, printed: str, ended: int) -> None:
    environ = {} if set_to is None else {"TUBEPOST_FAILPOINT": set_to}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, timeout=20)
    assert done.stdout.replace("\n", "") == printed
    assert done.returncode == ended

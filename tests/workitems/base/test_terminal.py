"""Questions at a real terminal, and text that must not control it."""

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.support.program import PROJECT
from workitems.base.terminal import mark_controls

#: Seconds that a program may take from its start to its end.
PATIENCE = 60

ASKS = """
import asyncio, getpass
from workitems.base.terminal import ask
async def main():
    print("heard", ask("Sure? ", by={by}))
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("ended")
"""


def typed(program: list[str], prompt: bytes, keys: bytes, environment: dict[str, str]) -> tuple[str, int]:
    """Return what *program* shows after *keys* at its *prompt*, and its exit status; kill it when it does not end."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(program[0], program, environment)
    shown, deadline = b"", time.monotonic() + PATIENCE
    while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0] and (part := _read(terminal)):
        shown += part
        if keys and prompt in shown:
            _wait_until_asleep(pid, deadline)
            os.write(terminal, keys)
            keys = b""
    if time.monotonic() >= deadline:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _wait_until_asleep(pid: int, deadline: float) -> None:
    """Wait until the program waits for input: a ^C between its prompt and its read would not end the read."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S" and time.monotonic() < deadline:
        time.sleep(0.001)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux does this when the other end is closed
        return b""


def test_control_characters_of_a_stranger_are_marked_unless_they_are_kept() -> None:
    text = "a\x1b[2J\x9b\x7f\tb\nc é"
    assert mark_controls(text) == "a�[2J���b�c é"
    assert mark_controls(text, keep="\t\n") == "a�[2J��\tb\nc é"


@pytest.mark.parametrize("by", ["input", "getpass.getpass"])
@pytest.mark.parametrize(("keys", "answer"), [(b"yes\n", "heard yes"), (b"\x03", "ended"), (b"\x04", "ended")])
def test_one_key_answers_a_question_or_ends_it(by: str, keys: bytes, answer: str) -> None:
    program = [sys.executable, "-c", ASKS.format(by=by)]
    shown, status = typed(program, b"Sure?", keys, {"PYTHONPATH": str(PROJECT)})
    assert answer in shown
    assert status == 0


def test_ctrl_c_at_the_password_of_a_new_user_ends_the_command(redis_url: str, tmp_path: Path) -> None:
    environment = {"TUBEPOST_REDIS__URL": redis_url, "TUBEPOST_DATA": str(tmp_path)}
    program = [sys.executable, str(PROJECT / "run.py"), "user", "add", "ana"]
    shown, status = typed(program, b"Password:", b"\x03", environment)
    assert status == 2
    assert "Traceback" not in shown

"""Runs a program of the user's: without a shell, bounded in time and output, ended with all that it started.

What it says on standard error is dropped: it may hold the secret. Blocks: for threads.
"""

import os
import selectors
import signal
import subprocess
import time

from worker.imap.errors import TokenUnavailableError
from workitems.errors import SettingsError

#: Seconds that a command may take.
PATIENCE = 10.0


def run(command: tuple[str, ...], given: bytes, longest: int, *, patience: float = PATIENCE) -> bytes:
    """What *command* prints after it was *given* its input; at most *longest* bytes.

    SettingsError when there is no such program, or it prints more; TokenUnavailableError when it fails or takes longer
    than *patience* seconds.
    """
    name = f"token_command: {command[0]} {command[-1]}"
    try:
        process = subprocess.Popen(  # noqa: S603  the operator's own command
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise SettingsError(f"token_command: {command[0]} cannot be started: {error.strerror}") from None
    ends = time.monotonic() + patience
    with process:
        try:
            printed = _talk(process, given, longest, ends)
            if len(printed) > longest:
                raise SettingsError(f"{name} prints more than {longest} bytes, which is no token")
            status = process.wait(max(0.0, ends - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise TokenUnavailableError(f"{name} did not end within {patience:g} s") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if status != 0:
        raise TokenUnavailableError(f"{name} failed with status {status}")
    return printed


def _talk(process: "subprocess.Popen[bytes]", given: bytes, longest: int, ends: float) -> bytes:
    """Write and read at the same time until the program prints no more, or too much. TimeoutError."""
    assert process.stdin
    assert process.stdout
    os.set_blocking(process.stdin.fileno(), False)
    printed = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        while len(printed) <= longest:
            ready = {key.fileobj for key, _ in selector.select(max(0.0, ends - time.monotonic()))}
            if not ready:
                raise TimeoutError
            if process.stdin in ready:
                given = _give(process, given)
                if not given:
                    selector.unregister(process.stdin)
                    process.stdin.close()
            if process.stdout in ready:
                part = os.read(process.stdout.fileno(), 16 * 1024)
                if not part:
                    break
                printed += part
    return printed


def _give(process: "subprocess.Popen[bytes]", given: bytes) -> bytes:
    """Write some of *given*; what is left. A program that does not read on wants no more."""
    assert process.stdin
    try:
        return given[os.write(process.stdin.fileno(), given) :] if given else b""
    except BlockingIOError:
        return given
    except BrokenPipeError:
        return b""

"""Runs a program of the operator without a shell, with limits on time and output, and ends all that it started.

Its standard error is dropped: it may hold the secret. Blocks: for threads.
"""

import os
import selectors
import signal
import subprocess
import time

from worker.imap.errors import TokenUnavailableError
from workitems.base.errors import SettingsError

#: Seconds that a command may take.
TIMEOUT_SECONDS = 10.0


def run_command(command: tuple[str, ...], given: bytes, max_output: int, *, timeout: float = TIMEOUT_SECONDS) -> bytes:
    """Return what *command* prints, at most *max_output* bytes, after it got *given* as its input.

    SettingsError when there is no such program, or it prints more; TokenUnavailableError when it fails or takes longer
    than *timeout* seconds.
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
    ends = time.monotonic() + timeout
    with process:
        try:
            printed = _exchange(process, given, max_output, ends)
            if len(printed) > max_output:
                raise SettingsError(f"{name} prints more than {max_output} bytes, which is no token")
            status = process.wait(max(0.0, ends - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise TokenUnavailableError(f"{name} did not end within {timeout:g} s") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if status != 0:
        raise TokenUnavailableError(f"{name} failed with status {status}")
    return printed


def _exchange(process: "subprocess.Popen[bytes]", given: bytes, max_output: int, ends: float) -> bytes:
    """Write and read at the same time until the program closes its output, or prints too much. TimeoutError."""
    assert process.stdin
    assert process.stdout
    os.set_blocking(process.stdin.fileno(), False)
    printed = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        while len(printed) <= max_output:
            ready = {key.fileobj for key, _ in selector.select(max(0.0, ends - time.monotonic()))}
            if not ready:
                raise TimeoutError
            if process.stdin in ready:
                given = _write_some(process, given)
                if not given:
                    selector.unregister(process.stdin)
                    process.stdin.close()
            if process.stdout in ready:
                part = os.read(process.stdout.fileno(), 16 * 1024)
                if not part:
                    break
                printed += part
    return printed


def _write_some(process: "subprocess.Popen[bytes]", given: bytes) -> bytes:
    """Write some of *given* and return the rest, or nothing when the program has closed its input."""
    assert process.stdin
    try:
        return given[os.write(process.stdin.fileno(), given) :] if given else b""
    except BlockingIOError:
        return given
    except BrokenPipeError:
        return b""

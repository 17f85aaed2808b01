"""The demo mailbox: pymap, an IMAP server that keeps mail in memory, with one user and an empty INBOX.

It loses all mail when it ends, and gives a new UIDVALIDITY at each start. `demo.letter_sender` sends mail to it.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

#: The variable with the password for pymap: other users of the machine can read arguments, not the environment.
PASSWORD = "DEMO_MAILBOX_PASSWORD"  # noqa: S105 - the name of it

#: One argument a line; pymap replaces `$NAME` in this file by an environment variable.
ARGUMENTS = Path(__file__).with_name("mailbox.args")


def command(host: str, port: int, user: str) -> list[str]:
    """Return the command that starts pymap, to be run with `environment(password)`. TLS is off: use loopback only.

    Without `--demo-data` the INBOX is empty; pymap makes the demo user all the same.
    """
    # Run by the interpreter: in a deep checkout the script's first line is longer than Linux reads.
    pymap = [sys.executable, str(Path(sys.executable).with_name("pymap"))]
    listen = [f"--host={host}", f"--port={port}", "--no-tls"]
    return [*pymap, *listen, "dict", f"--demo-user={user}", f"@{ARGUMENTS}"]


def environment(password: str) -> dict[str, str]:
    """Return the environment for `command`."""
    return {**os.environ, PASSWORD: password}


def run(host: str, port: int, user: str, password: str) -> NoReturn:
    """Become pymap in this process, so that signals reach it. It ends at SIGTERM with status 0."""
    arguments = command(host, port, user)
    os.execve(arguments[0], arguments, environment(password))  # noqa: S606 - no shell is the point

"""The demo mailbox: pymap's in-memory IMAP server with one user and nothing in it but what `demo.post` brings.

It forgets everything when it ends and gives a new UIDVALIDITY at each start.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

#: Carries the password to pymap, since another user of the machine can read arguments but not the environment.
PASSWORD = "DEMO_MAILBOX_PASSWORD"  # noqa: S105 - the name of it

#: One argument a line; pymap puts environment variables in where it reads `$NAME` in such a file.
ARGUMENTS = Path(__file__).with_name("mailbox.args")


def command(host: str, port: int, user: str) -> list[str]:
    """The arguments that start pymap; it wants `environment(password)` too. TLS is off: loopback only.

    Without `--demo-data` the INBOX is empty; the demo user is made all the same.
    """
    # By the interpreter, since a deep checkout makes the script's own first line longer than Linux reads.
    pymap = [sys.executable, str(Path(sys.executable).with_name("pymap"))]
    listen = [f"--host={host}", f"--port={port}", "--no-tls"]
    return [*pymap, *listen, "dict", f"--demo-user={user}", f"@{ARGUMENTS}"]


def environment(password: str) -> dict[str, str]:
    """The environment that `command` is to be started with."""
    return {**os.environ, PASSWORD: password}


def run(host: str, port: int, user: str, password: str) -> NoReturn:
    """Become pymap: the same process id, so signals and supervisord reach it. Ends at SIGTERM with 0."""
    arguments = command(host, port, user)
    os.execve(arguments[0], arguments, environment(password))  # noqa: S606 - no shell is the point

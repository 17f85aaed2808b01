"""What a compose child runs in these tests in the place of composing: attempts to reach beyond the child.

The body is JSON: files that it must not read, a folder in which it must not write, the id of its parent. The mail is
JSON, too: attempt → the system's answer.
"""

import json
import os
import socket
import subprocess
from functools import partial
from pathlib import Path
from typing import BinaryIO

from server.intake import compose_child
from server.intake.compose_child import ComposeRequest, ComposeResult
from server.intake.mime_writer import WriteBytes
from server.intake.sources.envelope import PostedEnvelope
from tests.support.system_calls import libc, outcome


def compose_mail(_request: ComposeRequest, body: BinaryIO, values: BinaryIO, write: WriteBytes) -> ComposeResult:
    """Try what a hostile body could make the child do."""
    asked = json.loads(body.read())
    folder, parent = Path(asked["folder"]), asked["parent"]
    found = {f"read {path}": outcome(partial(os.open, path, os.O_RDONLY)) for path in asked["files"]}
    found |= {
        "connect": outcome(lambda: socket.create_connection(("127.0.0.1", asked["port"]), timeout=5)),
        "socket": outcome(socket.socket),
        "socket unix": outcome(lambda: socket.socket(socket.AF_UNIX)),
        "program": outcome(lambda: subprocess.run(["/bin/true"], check=True)),
        "fork": outcome(lambda: os.fork() or os._exit(0)),
        "signal to the parent": outcome(lambda: os.kill(parent, 0)),
        "memory of the parent": outcome(lambda: libc("process_vm_readv", parent, None, 0, None, 0, 0)),
        "new file": outcome(lambda: (folder / "new").touch()),
        "remove": outcome((folder / "other").unlink),
        "rename": outcome(lambda: (folder / "other").rename(folder / "gone")),
        "limit": outcome(lambda: libc("setrlimit", 1, None)),
        "large file": outcome(lambda: write_beyond(values, asked["beyond"])),
    }
    found["environment"] = " ".join(sorted(os.environ))
    found["descriptors"] = str(sum(is_open(number) for number in range(256)))
    write(json.dumps(found).encode())
    return ComposeResult(PostedEnvelope())


def write_beyond(values: BinaryIO, position: int) -> None:
    """Write so far behind the end of a file."""
    values.seek(position)
    os.write(values.fileno(), b"x")


def is_open(number: int) -> bool:
    """Return whether it is an open descriptor."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def main() -> None:
    """Run the real child with these attempts."""
    compose_child.compose_mail = compose_mail
    compose_child.main()

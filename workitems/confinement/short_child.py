"""A short-lived child: it gets one question as a line of JSON, answers with one, and ends.

The child itself gives up its rights (`confine`) before it works on what a stranger wrote.
"""

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from workitems.confinement.limits import EXIT_MEMORY
from workitems.confinement.start import PYTHON_OPTIONS, SURROUNDINGS

#: The folder of the project: it may hold settings and mail too.
ROOT = Path(__file__).resolve().parents[2]

#: The program of a child whose `main` is in the module that is put in.
PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from {} import main; main()"


class ChildEndedError(Exception):
    """The child ended without an answer. `why` is what it used too much of: memory or time."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


async def ask_short_child(program: str, asked: dict[str, Any], *, max_answer_bytes: int) -> dict[str, Any]:
    """Run *program* in a child, and return its answer to *asked*, to which the id of its `parent` is added.

    Raises ChildEndedError, also for an answer of more than *max_answer_bytes*. When the call is cancelled, the child
    is killed.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, *PYTHON_OPTIONS, "-c", program, str(ROOT),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        limit=max_answer_bytes, **SURROUNDINGS,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(asked | {"parent": os.getpid()}).encode() + b"\n")
        process.stdin.close()
        output = await process.stdout.readline()  # not `communicate`, which reads any number of bytes
        await process.wait()
    except ValueError:  # over the limit: the question has control of the child
        raise ChildEndedError("memory") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()  # what it has written already
    if process.returncode != 0:
        raise ChildEndedError("memory" if process.returncode == EXIT_MEMORY else "time")
    answer: dict[str, Any] = json.loads(output)
    return answer

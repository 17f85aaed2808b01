"""Finds out what the children of this machine cannot be confined by: it confines one that does nothing else."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

from workitems.confinement import confine, landlock, start
from workitems.confinement.limits import ProcessLimits

#: Seconds that the child may take; a busy machine needs one.
PROBE_SECONDS = 20.0

_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from workitems.confinement.probe import main; main()"


async def find_missing_steps() -> list[str]:
    """Return the steps of `confine` that this platform does not support. Raise OSError if no child can run."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *start.PYTHON_OPTIONS, "-c", _PROGRAM, str(_ROOT),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        **start.SURROUNDINGS,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        raise OSError(f"a child did not confine itself within {PROBE_SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        raise OSError(f"a child ended with {process.returncode} while it confined itself")
    missing: list[str] = json.loads(output)
    return missing


def main() -> None:
    """Run the child: confine it, and write what is missing to standard output, as JSON."""
    sys.stdout.write(json.dumps(confine.confine(ProcessLimits(), list(landlock.libraries()))))

"""A process with a sandbox, for tests that kill it: `parent.py asyncio|uvloop`.

It prints "ready", and then two children read endless mails.
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import uvloop

from worker.sandbox.failure import ReadFailedError
from worker.sandbox.pool import Sandbox
from workitems.base.log import configure


async def main() -> None:
    configure("error")
    sandbox = Sandbox({}, size=2, spares=1, function="tests.worker.sandbox.probes:prepare")
    await sandbox.start()
    mail = b"m" * 5_000_000
    assert (await sandbox.read(b"echo " + mail, mailbox="m", limit=30)).attachments == [mail]
    for poison in (b"crash segfault", b"devour"):
        try:
            await sandbox.read(poison, mailbox="m", limit=30)
        except ReadFailedError as failed:
            print(failed.kind)  # noqa: T201
    await sandbox.read(b"nap 0.1", mailbox="m", limit=30)
    print("ready", flush=True)  # noqa: T201
    await asyncio.gather(*(sandbox.read(b"spin", mailbox="m", limit=100) for _ in range(2)))


with asyncio.Runner(loop_factory=uvloop.new_event_loop if sys.argv[1] == "uvloop" else None) as runner:
    runner.run(main())

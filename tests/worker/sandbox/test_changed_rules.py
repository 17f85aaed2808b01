"""Children get other rules while they run: no mail waits for that, and none is lost."""

import asyncio
import os
import signal

import pytest

from tests.worker.sandbox.conftest import AMPLE, OpenSandbox, is_gone, processes_of, until
from worker.sandbox import process
from worker.sandbox.failure import SandboxUnavailableError
from worker.sandbox.frames import EncodedRules
from worker.sandbox.pool import READ_MAIL, Sandbox

MAIL = b"From: a@example.com\r\nSubject: Hello\r\n\r\nDeal: XY-9\r\nShip: AB-7\r\n"


def numbered(n: int) -> EncodedRules:
    return {"*": [{"n": n}]}


async def number_of(sandbox: Sandbox, raw: bytes = b"echo") -> int:
    """Read *raw*; return the number of the rules that its child had, 0 for those of the start."""
    found = await sandbox.read(raw, mailbox="m", limit=AMPLE)
    setup = found.reading["setup"]
    return int(setup["*"][0]["n"]) if setup else 0


async def test_mail_after_a_change_of_rules_is_read_with_the_new_ones_by_the_same_child(
    open_sandbox: OpenSandbox,
) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    children = processes_of(os.getpid())
    assert await number_of(sandbox) == 0

    sandbox.use_rules(numbered(1))

    assert await number_of(sandbox) == 1
    assert processes_of(os.getpid()) == children


async def test_a_mail_that_is_being_read_while_rules_change_is_read_to_its_end(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    reading = asyncio.ensure_future(number_of(sandbox, b"nap 0.3"))
    await until(lambda: sandbox.idle == 0, "the mail is being read")

    sandbox.use_rules(numbered(1))

    assert await number_of(sandbox) == 1
    assert await reading == 0


async def test_every_mail_gets_an_answer_with_rules_that_are_not_older_than_its_call(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=2, spares=1)
    newest, last = 0, 12

    async def read_many() -> int:
        count = now = 0
        while now < last:
            at_call = newest
            now = await number_of(sandbox)
            assert at_call <= now
            count += 1
        return count

    async def change_often() -> None:
        nonlocal newest
        for newest in range(1, last + 1):
            sandbox.use_rules(numbered(newest))
            await number_of(sandbox, b"work 0.01")

    *counts, _ = await asyncio.gather(*(read_many() for _ in range(20)), change_often())
    assert min(counts) > 0


async def test_a_child_that_does_not_take_the_new_rules_in_time_is_replaced(
    open_sandbox: OpenSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "CHANGE_TIME", 0.2)
    sandbox = await open_sandbox(size=1, spares=0)
    (child,) = processes_of(os.getpid())
    os.kill(child, signal.SIGSTOP)

    sandbox.use_rules(numbered(1))

    assert await number_of(sandbox) == 1
    await until(lambda: is_gone(child), "the child has ended")


async def test_rules_that_a_waiting_child_takes_are_used(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    children = processes_of(os.getpid())

    await sandbox.change_rules(numbered(1))

    assert await number_of(sandbox) == 1
    assert processes_of(os.getpid()) == children


async def test_rules_that_no_child_takes_are_refused_with_the_reason_and_change_nothing(
    open_sandbox: OpenSandbox,
) -> None:
    sandbox = await open_sandbox(size=1, spares=1, function="tests.worker.sandbox.probes:prepare_or_refuse")
    await until(lambda: sandbox.idle == 2, "all children have started")

    with pytest.raises(SandboxUnavailableError, match=r"rule \{'refused': \[\]\} is wrong"):
        await sandbox.change_rules({"refused": []})

    assert await number_of(sandbox) == 0
    await until(lambda: sandbox.idle == 2, "the child that refused them was replaced")


async def test_rules_are_tried_in_a_new_child_while_all_others_read(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    reading = asyncio.ensure_future(sandbox.read(b"spin", mailbox="m", limit=10 * AMPLE))
    await until(lambda: sandbox.idle == 0, "a mail is being read")

    await sandbox.change_rules(numbered(1))
    assert not reading.done()
    reading.cancel()

    assert await number_of(sandbox) == 1
    assert len(processes_of(os.getpid())) == 1


async def test_a_confined_child_compiles_the_new_rules_and_finds_other_fields(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0, function=READ_MAIL)
    found = []
    for name, label in (("deal", "Deal"), ("deal", "Ship"), ("ship", "Ship")):
        sandbox.use_rules({"*": [{"name": name, "labels": [label], "pattern": "[A-Z]{2}-[0-9]"}]})
        found.append((await sandbox.read(MAIL, mailbox="m", limit=AMPLE)).reading["fields"])
    assert found == [{"deal": "XY-9"}, {"deal": "AB-7"}, {"ship": "AB-7"}]

"""The pool: answers, failures in words, and children that others never wait for."""

import asyncio
import os
import time

import pytest

from tests.worker.sandbox.conftest import AMPLE, OpenSandbox, is_gone, processes_of, until
from worker.sandbox.failure import ReadFailedError, SandboxUnavailableError
from worker.sandbox.limits import MIB, ChildLimits
from worker.sandbox.pool import Sandbox


async def fails(sandbox: Sandbox, raw: bytes, limit: float = AMPLE) -> ReadFailedError:
    """The error that reading *raw* ends with."""
    with pytest.raises(ReadFailedError) as raised:
        await sandbox.read(raw, mailbox="m", limit=limit)
    return raised.value


async def test_the_raw_mail_its_mailbox_and_the_rules_reach_the_child_and_the_contents_come_back(
    open_sandbox: OpenSandbox,
) -> None:
    sandbox = await open_sandbox()
    mail = os.urandom(3 * MIB)

    result = await sandbox.read(b"echo " + mail, mailbox="Ansprüche 😀", limit=AMPLE)

    assert result.reading | {"pid": 0} == {"size": len(mail), "mailbox": "Ansprüche 😀", "setup": {}, "pid": 0}
    assert result.attachments == [mail]
    assert result.reading["pid"] != os.getpid()


@pytest.mark.parametrize("times", [1, 5000])
async def test_texts_of_every_length_come_back_whole_with_surrogates_made_writable(
    open_sandbox: OpenSandbox, times: int
) -> None:
    sandbox = await open_sandbox()

    result = await sandbox.read(b"long_text %d" % times, mailbox="m", limit=AMPLE)

    assert result.reading == {"text": "ä?😀\0" * times, "html": "short ?", "none": None}
    assert result.attachments == [b"", b"\0\xff"]


@pytest.mark.parametrize(
    ("mail", "kind", "reason"),
    [
        (b"devour", "memory", "reading needed more memory than it may use"),
        (b"crash segfault", "crash", "the reading process ended with signal SIGSEGV"),
        (b"crash abort", "crash", "the reading process ended with signal SIGABRT"),
        (b"crash exit", "crash", "the reading process ended with exit code 9"),
        (b"crash leave", "crash", "the reading process ended with exit code 5"),
        (b"close_pipe", "crash", "the reading process closed its pipe"),
        (b"answer \xff\xff\xff\xff", "crash", "the reading process answered nonsense: a head of 4294967295 bytes"),
        (b"answer \0\0\0\2no", "crash", "the reading process answered nonsense: a head that is no JSON"),
        (b"answer \0\0\0\2[]", "crash", "the reading process answered nonsense: a head that is no JSON object"),
        (b"answer \0\0\0\2{}", "crash", "the reading process answered nonsense: a head without the lengths"),
        (b'answer \0\0\0\x0c{"parts":[]}', "crash", "the reading process answered nonsense: a head without its fields"),
        (b'answer \0\0\0\x13{"parts":[9999999]}', "crash", "the reading process answered nonsense: 1 parts of 9999999"),
        (b"endless", "crash", "the reading process answered nonsense: a head that is no JSON"),
        (b"large head", "error", "reading failed with FrameError (frames.py:"),
        (b"large part", "error", "reading failed with FrameError (frames.py:"),
        (b"large many", "error", "reading failed with FrameError (frames.py:"),
        (b"fault", "error", "reading failed with LookupError (probes.py:"),
        (b"fault deep", "error", "reading failed with RecursionError (probes.py:"),
    ],
)
async def test_every_bad_end_is_told_in_a_sentence_and_the_next_mail_is_read(
    open_sandbox: OpenSandbox, mail: bytes, kind: str, reason: str
) -> None:
    sandbox = await open_sandbox(size=1, limits=ChildLimits(answer=100_000))

    failed = await fails(sandbox, mail)

    assert failed.kind == kind
    assert failed.reason.startswith(reason)
    assert (await sandbox.read(b"echo", mailbox="m", limit=AMPLE)).reading["size"] == 0


async def test_a_reason_never_quotes_the_mail(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1)
    forged = b'{"error":"secret <b>","where":"secret words","parts":[]}'

    assert "secret" not in (await fails(sandbox, b"fault secret")).reason
    assert "secret" not in (await fails(sandbox, b"answer \0\0\0%c%b" % (len(forged), forged))).reason


async def test_a_mail_that_takes_too_long_is_ended_at_its_limit(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox()
    started = time.monotonic()

    failed = await fails(sandbox, b"spin", limit=0.3)

    assert (failed.kind, failed.reason) == ("timeout", "reading took longer than 0.3 s")
    assert time.monotonic() - started < 5


async def test_mails_that_spin_devour_and_crash_do_not_make_others_wait(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(function="tests.worker.sandbox.probes:prepare_slowly")
    await until(lambda: sandbox.idle == 4, "all children are warm")
    evil = [b"spin", b"devour", b"crash segfault"]
    fates = [asyncio.ensure_future(fails(sandbox, mail, limit=4)) for mail in evil]
    waited = []
    while not all(fate.done() for fate in fates):
        started = time.monotonic()
        await sandbox.read(b"echo", mailbox="m", limit=AMPLE)
        waited.append(time.monotonic() - started)
        await asyncio.sleep(0.02)

    assert [(await fate).kind for fate in fates] == ["timeout", "memory", "crash"]
    assert len(waited) > 20, "others were read in the meantime"
    assert max(waited) < 1


async def test_when_the_slow_lane_is_full_a_slow_mail_keeps_its_place_until_one_is_free(
    open_sandbox: OpenSandbox,
) -> None:
    sandbox = await open_sandbox(size=1, slow=1, patience=0.05)
    slow = [asyncio.ensure_future(fails(sandbox, b"spin", limit=limit)) for limit in (1.0, 4.0)]
    await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)

    await sandbox.read(b"echo", mailbox="m", limit=AMPLE)

    assert [task.done() for task in slow] == [True, False]
    await asyncio.gather(*slow)


async def test_after_slow_mails_there_are_no_more_children_than_before(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=1, slow=2, patience=0.05)
    me = os.getpid()
    naps = [sandbox.read(b"nap 1.5", mailbox="m", limit=AMPLE) for _ in range(3)]
    reading = asyncio.gather(*naps)
    await until(lambda: len(processes_of(me)) == 4, "two slow, one in its place, one spare")
    await reading

    async def settled() -> None:
        while len(processes_of(me)) > 2:
            await sandbox.read(b"echo", mailbox="m", limit=AMPLE)

    await asyncio.wait_for(settled(), 20)


async def test_a_cancelled_call_takes_its_child_with_it_and_the_next_is_read(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    before = processes_of(os.getpid())
    call = asyncio.ensure_future(sandbox.read(b"spin", mailbox="m", limit=AMPLE))
    await until(lambda: sandbox.idle == sandbox.waiting == 0, "it is being read")
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call

    await until(lambda: any(is_gone(pid) for pid in before), "its child is gone")
    assert (await sandbox.read(b"echo", mailbox="m", limit=AMPLE)).reading["size"] == 0


async def test_what_is_given_to_one_child_together_is_read_in_its_order_and_each_gets_its_own_answer(
    open_sandbox: OpenSandbox,
) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    mails = [b"echo " + os.urandom(n) for n in range(40)] + [b"echo " + os.urandom(MIB), b"echo last"]
    calls = [sandbox.read(mail, mailbox=str(n), limit=AMPLE) for n, mail in enumerate(mails)]
    found = await asyncio.gather(*calls)
    assert [result.attachments for result in found] == [[mail[5:]] for mail in mails]
    assert [result.reading["mailbox"] for result in found] == [str(n) for n in range(len(mails))]
    assert len({result.reading["pid"] for result in found}) == 1


@pytest.mark.parametrize(
    ("mail", "kind"), [(b"spin", "timeout"), (b"crash abort", "crash"), (b"fault", "error"), (b"close_pipe", "crash")]
)
async def test_mails_behind_one_that_ends_their_child_are_read_by_another(
    open_sandbox: OpenSandbox, mail: bytes, kind: str
) -> None:
    sandbox = await open_sandbox(size=1, spares=1, patience=0.05)
    await until(lambda: sandbox.idle == 2, "all children are warm")
    before = [asyncio.ensure_future(sandbox.read(b"echo %d" % n, mailbox="m", limit=AMPLE)) for n in range(3)]
    bad = asyncio.ensure_future(fails(sandbox, mail, limit=1.5))
    behind = [asyncio.ensure_future(sandbox.read(b"echo %d" % n, mailbox="m", limit=AMPLE)) for n in range(9)]

    assert [result.attachments for result in await asyncio.gather(*before)] == [[b"%d" % n] for n in range(3)]
    assert [result.attachments for result in await asyncio.gather(*behind)] == [[b"%d" % n] for n in range(9)]
    assert kind != "timeout" or not bad.done(), "they did not wait for it"
    assert (await bad).kind == kind


async def test_mails_behind_a_slow_one_are_read_once_and_its_child_can_go_on(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0, slow=1, patience=0.05)
    calls = [sandbox.read(mail, mailbox="m", limit=AMPLE) for mail in (b"nap 0.5", *[b"echo %d" % n for n in range(9)])]
    found = await asyncio.gather(*calls)

    assert [result.attachments for result in found[1:]] == [[b"%d" % n] for n in range(9)]
    await until(lambda: sandbox.idle == 1, "one is free again")
    assert (await sandbox.read(b"echo x", mailbox="m", limit=AMPLE)).attachments == [b"x"], "no answer was left over"


async def test_calls_cancelled_at_any_moment_leave_every_place_free(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=2, spares=2)
    for pause in range(30):
        calls = [asyncio.ensure_future(sandbox.read(b"echo", mailbox="m", limit=AMPLE)) for _ in range(4)]
        await asyncio.sleep(pause / 30_000)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)

    together = [sandbox.read(b"nap 0.1", mailbox="m", limit=AMPLE) for _ in range(6)]
    assert len(await asyncio.gather(*together)) == 6


@pytest.mark.parametrize(
    ("limits", "mail"),
    [(ChildLimits(mails=2), b"echo"), (ChildLimits(grown=64 * MIB), b"grow 40"), (ChildLimits(cpu=4), b"work 0.5")],
)
async def test_a_worn_child_is_retired_and_another_goes_on(
    open_sandbox: OpenSandbox, limits: ChildLimits, mail: bytes
) -> None:
    sandbox = await open_sandbox(size=1, spares=1, limits=limits)
    seen: set[int] = set()

    async def two_are_gone() -> None:
        while sum(map(is_gone, seen)) < 2:
            seen.add((await sandbox.read(mail, mailbox="m", limit=AMPLE)).reading["pid"])

    await asyncio.wait_for(two_are_gone(), 50)


async def test_a_child_that_dies_while_idle_is_replaced(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    (pid,) = processes_of(os.getpid())

    os.kill(pid, 9)

    await until(lambda: processes_of(os.getpid()) - {pid} != set(), "another is there")
    assert (await sandbox.read(b"echo", mailbox="m", limit=AMPLE)).reading["pid"] != pid


async def test_close_ends_every_child_and_refuses_whoever_waits(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1)
    calls = [asyncio.ensure_future(sandbox.read(b"spin", mailbox="m", limit=AMPLE)) for _ in range(3)]
    await until(lambda: len(processes_of(os.getpid())) >= 2, "children are there")
    children = processes_of(os.getpid())

    await sandbox.close()
    await sandbox.close()

    assert all(is_gone(pid) for pid in children)
    assert processes_of(os.getpid()) == set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, ReadFailedError | SandboxUnavailableError) for outcome in outcomes)
    with pytest.raises(SandboxUnavailableError, match="closed"):
        await sandbox.read(b"echo", mailbox="m", limit=AMPLE)


async def test_a_call_that_gets_no_turn_says_that_it_is_not_the_mails_fault(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, slow=0, wait=0.2)
    busy = asyncio.ensure_future(fails(sandbox, b"spin", limit=2))
    await asyncio.sleep(0)

    with pytest.raises(SandboxUnavailableError, match=r"no reading process got free within 0\.2 s"):
        await sandbox.read(b"echo", mailbox="m", limit=AMPLE)

    await busy


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("tests.worker.sandbox.probes:fail_to_prepare", r"ValueError: rule \{\} is wrong \(probes\.py:\d+\)"),
        ("tests.worker.sandbox.probes:end_at_start", "ended with exit code 3"),
        ("tests.worker.sandbox.probes:missing", "AttributeError"),
        ("tests.worker.sandbox.nothing:prepare", "ModuleNotFoundError"),
        ("os:system", "must be named"),
        ("worker:os.system", "must be named"),
    ],
)
async def test_a_start_that_cannot_succeed_says_why_and_leaves_no_process(function: str, why: str) -> None:
    with pytest.raises(SandboxUnavailableError, match=why):
        await Sandbox({}, function=function).start()

    assert processes_of(os.getpid()) == set()


async def test_what_a_library_prints_does_not_reach_the_answers(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox()

    assert (await sandbox.read(b"chatter", mailbox="m", limit=AMPLE)).reading["size"] == 0

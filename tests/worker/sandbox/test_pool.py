"""The pool: results, reasons of failures, and no mail that waits for a child with another mail."""

import asyncio
import os

import pytest

from tests.worker.sandbox.conftest import AMPLE, OpenSandbox, is_gone, processes_of, until
from worker.sandbox.failure import ReadFailedError, SandboxUnavailableError
from worker.sandbox.limits import MIB, ChildLimits
from worker.sandbox.pool import Sandbox
from worker.sandbox.process import Child

#: The beginning of the reason for a wrong answer.
INVALID = "the reading process sent an invalid answer: "


async def read_error(sandbox: Sandbox, raw: bytes, limit: float = AMPLE) -> ReadFailedError:
    """Return the error with which reading *raw* ends."""
    with pytest.raises(ReadFailedError) as raised:
        await sandbox.read(raw, mailbox="m", limit=limit)
    return raised.value


async def test_the_child_gets_the_mail_its_mailbox_and_the_rules_and_returns_the_contents(
    open_sandbox: OpenSandbox,
) -> None:
    sandbox = await open_sandbox()
    mail = os.urandom(3 * MIB)

    result = await sandbox.read(b"echo " + mail, mailbox="Ansprüche 😀", limit=AMPLE)

    assert result.reading | {"pid": 0} == {"size": len(mail), "mailbox": "Ansprüche 😀", "setup": {}, "pid": 0}
    assert result.attachments == [mail]
    assert result.reading["pid"] != os.getpid()


@pytest.mark.parametrize("times", [1, 5000])
async def test_texts_of_any_length_return_complete_and_lone_surrogates_are_replaced(
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
        (b"answer \xff\xff\xff\xff", "crash", INVALID + "a head of 4294967295 bytes"),
        (b"answer \0\0\0\2no", "crash", INVALID + "a head that is no JSON"),
        (b"answer \0\0\0\2[]", "crash", INVALID + "a head that is no JSON object"),
        (b"answer \0\0\0\2{}", "crash", INVALID + "a head without the lengths"),
        (
            b'answer \0\0\0\x0c{"parts":[]}',
            "crash",
            INVALID + "a head without its fields",
        ),
        (
            b'answer \0\0\0\x13{"parts":[9999999]}',
            "crash",
            INVALID + "1 parts of 9999999",
        ),
        (b"endless", "crash", INVALID + "a head that is no JSON"),
        (b"large head", "error", "reading failed with FrameError (frames.py:"),
        (b"large part", "error", "reading failed with FrameError (frames.py:"),
        (b"large many", "error", "reading failed with FrameError (frames.py:"),
        (b"fault", "error", "reading failed with LookupError (probes.py:"),
        (b"fault deep", "error", "reading failed with RecursionError (probes.py:"),
    ],
)
async def test_every_failure_has_a_kind_and_a_reason_and_the_next_mail_is_read(
    open_sandbox: OpenSandbox, mail: bytes, kind: str, reason: str
) -> None:
    sandbox = await open_sandbox(size=1, limits=ChildLimits(max_answer_bytes=100_000))

    failed = await read_error(sandbox, mail)

    assert failed.kind == kind
    assert failed.reason.startswith(reason)
    assert (await sandbox.read(b"echo", mailbox="m", limit=AMPLE)).reading["size"] == 0


async def test_a_reason_never_quotes_the_mail(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1)
    forged = b'{"error":"secret <b>","where":"secret words","cpu":1,"parts":[]}'

    assert "secret" not in (await read_error(sandbox, b"fault secret")).reason
    assert "secret" not in (await read_error(sandbox, b"answer \0\0\0%c%b" % (len(forged), forged))).reason


async def test_a_mail_that_takes_too_long_ends_at_its_time_limit(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox()

    async with asyncio.timeout(AMPLE):
        failed = await read_error(sandbox, b"spin", limit=0.3)

    assert (failed.kind, failed.reason) == ("timeout", "reading took longer than 0.3 s")


async def test_a_mail_that_uses_up_its_processor_time_does_not_end_its_child(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    children = processes_of(os.getpid())

    failed = await read_error(sandbox, b"spin", limit=0.3)

    assert failed.reason == "reading took longer than 0.3 s"
    assert (await sandbox.read(b"echo", mailbox="m", limit=AMPLE)).reading["pid"] in children


async def test_a_mail_that_blocks_its_child_ends_it_later(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1)

    failed = await read_error(sandbox, b"nap 60", limit=0.1)

    assert (failed.kind, failed.reason) == ("timeout", "reading took longer than 1 s")


async def test_mails_that_loop_use_up_memory_or_crash_do_not_delay_others(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(function="tests.worker.sandbox.probes:prepare_slowly")
    await until(lambda: sandbox.idle == 4, "all children have started")
    spinning = asyncio.ensure_future(read_error(sandbox, b"spin", limit=AMPLE))
    ending = [asyncio.ensure_future(read_error(sandbox, mail)) for mail in (b"devour", b"crash segfault")]

    for _ in range(30):
        await sandbox.read(b"echo", mailbox="m", limit=AMPLE)

    assert [(await task).kind for task in ending] == ["memory", "crash"]
    assert not spinning.done(), "no other mail waited for its time limit"
    spinning.cancel()


async def test_only_a_mail_that_exceeds_its_own_limit_ends_a_child(
    open_sandbox: OpenSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow mails must never end a child that reads another mail, or that has not read any mail yet."""
    killed: dict[int, int] = {}
    kill = Child.kill

    def record_and_kill(child: Child) -> None:
        killed.setdefault(child.pid, child.mails)
        kill(child)

    monkeypatch.setattr(Child, "kill", record_and_kill)
    sandbox = await open_sandbox(size=2, spares=2, patience=0.05)
    too_slow = [asyncio.ensure_future(read_error(sandbox, b"nap 60", limit=0.1)) for _ in range(6)]
    in_time = [asyncio.ensure_future(sandbox.read(b"nap 0.2", mailbox="m", limit=AMPLE)) for _ in range(6)]

    async def read_quick_mails() -> None:
        while not all(task.done() for task in (*too_slow, *in_time)):
            await sandbox.read(b"echo", mailbox="m", limit=AMPLE)

    await asyncio.gather(*(read_quick_mails() for _ in range(4)), *too_slow, *in_time)
    ended = dict(killed)

    assert len(ended) >= len(too_slow)  # more where a mail that loops was behind another that a busy machine made slow
    assert 0 not in ended.values(), "each had begun to read a mail"


async def test_the_children_of_a_pool_give_way_to_other_processes_when_they_should(open_sandbox: OpenSandbox) -> None:
    await open_sandbox(size=1, spares=0, nice=5)
    (pid,) = processes_of(os.getpid())
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(own + 5, 19)


async def test_cancelling_a_call_ends_its_child_and_the_next_mail_is_read(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    before = processes_of(os.getpid())
    call = asyncio.ensure_future(sandbox.read(b"spin", mailbox="m", limit=AMPLE))
    await until(lambda: sandbox.idle == 0, "the mail is being read")
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call

    await until(lambda: any(is_gone(pid) for pid in before), "its child has ended")
    assert (await sandbox.read(b"echo", mailbox="m", limit=AMPLE)).reading["size"] == 0


async def test_simultaneous_calls_each_get_their_own_result(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0, patience=AMPLE)
    mails = [b"echo " + os.urandom(n) for n in range(40)] + [b"echo " + os.urandom(MIB), b"echo last"]
    calls = [sandbox.read(mail, mailbox=str(n), limit=AMPLE) for n, mail in enumerate(mails)]
    found = await asyncio.gather(*calls)
    assert [result.attachments for result in found] == [[mail[5:]] for mail in mails]
    assert [result.reading["mailbox"] for result in found] == [str(n) for n in range(len(mails))]
    assert len({result.reading["pid"] for result in found}) == 1


@pytest.mark.parametrize(
    ("mail", "kind"), [(b"spin", "timeout"), (b"crash abort", "crash"), (b"fault", "error"), (b"close_pipe", "crash")]
)
async def test_mails_after_one_that_ends_their_child_are_read_by_another_child(
    open_sandbox: OpenSandbox, mail: bytes, kind: str
) -> None:
    sandbox = await open_sandbox(size=2, spares=0, patience=0.05)
    await until(lambda: sandbox.idle == 2, "all children have started")
    before = [asyncio.ensure_future(sandbox.read(b"echo %d" % n, mailbox="m", limit=AMPLE)) for n in range(3)]
    bad = asyncio.ensure_future(read_error(sandbox, mail, limit=5))
    behind = [asyncio.ensure_future(sandbox.read(b"echo %d" % n, mailbox="m", limit=AMPLE)) for n in range(9)]

    assert [result.attachments for result in await asyncio.gather(*before)] == [[b"%d" % n] for n in range(3)]
    assert [result.attachments for result in await asyncio.gather(*behind)] == [[b"%d" % n] for n in range(9)]
    assert kind != "timeout" or not bad.done(), "the others did not wait for it"
    assert (await bad).kind == kind


async def test_mails_after_a_slow_one_do_not_wait_and_its_child_can_read_more(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=2, spares=0, patience=0.05)
    await until(lambda: sandbox.idle == 2, "all children have started")
    calls = [sandbox.read(mail, mailbox="m", limit=AMPLE) for mail in (b"nap 0.5", *[b"echo %d" % n for n in range(9)])]
    found = await asyncio.gather(*calls)

    assert [result.attachments for result in found[1:]] == [[b"%d" % n] for n in range(9)]
    slow = found[0].reading["pid"]
    both = [sandbox.read(b"nap 0.5", mailbox="m", limit=AMPLE) for _ in range(2)]
    assert slow in {result.reading["pid"] for result in await asyncio.gather(*both)}


async def test_calls_cancelled_at_any_moment_free_their_slots(open_sandbox: OpenSandbox) -> None:
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
    [
        (ChildLimits(max_mails=2), b"echo"),
        (ChildLimits(max_resident_bytes=64 * MIB), b"grow 40"),
        (ChildLimits(max_cpu_seconds=4), b"work 0.5"),
    ],
)
async def test_a_worn_out_child_is_retired_and_another_continues(
    open_sandbox: OpenSandbox, limits: ChildLimits, mail: bytes
) -> None:
    sandbox = await open_sandbox(size=1, spares=1, limits=limits)
    seen: set[int] = set()

    async def read_until_two_have_ended() -> None:
        while sum(map(is_gone, seen)) < 2:
            seen.add((await sandbox.read(mail, mailbox="m", limit=AMPLE)).reading["pid"])

    await asyncio.wait_for(read_until_two_have_ended(), 50)


async def test_an_idle_child_that_ends_is_replaced(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    (pid,) = processes_of(os.getpid())

    os.kill(pid, 9)

    await until(lambda: processes_of(os.getpid()) - {pid} != set(), "another child is there")
    assert (await sandbox.read(b"echo", mailbox="m", limit=AMPLE)).reading["pid"] != pid


async def test_close_ends_every_child_and_fails_all_waiting_calls(open_sandbox: OpenSandbox) -> None:
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


async def test_a_call_that_gets_no_turn_fails_with_an_error_that_does_not_blame_the_mail(
    open_sandbox: OpenSandbox,
) -> None:
    sandbox = await open_sandbox(size=1, max_wait=0.2)
    busy = asyncio.ensure_future(read_error(sandbox, b"spin", limit=2))
    await asyncio.sleep(0)

    with pytest.raises(SandboxUnavailableError, match=r"no reading process became free within 0\.2 s"):
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
async def test_a_failed_start_reports_its_reason_and_leaves_no_process(function: str, why: str) -> None:
    with pytest.raises(SandboxUnavailableError, match=why):
        await Sandbox({}, function=function).start()

    assert processes_of(os.getpid()) == set()


async def test_output_that_a_library_prints_does_not_reach_the_answers(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox()

    assert (await sandbox.read(b"chatter", mailbox="m", limit=AMPLE)).reading["size"] == 0

"""A mail with files gets two answers, and whatever happens to the files, the first one stands."""

import asyncio
import os

import pytest

from tests.worker.sandbox.conftest import AMPLE, OpenSandbox
from worker.sandbox.failure import ReadFailedError
from worker.sandbox.limits import ChildLimits
from worker.sandbox.pool import Sandbox


async def read(sandbox: Sandbox, raw: bytes, files_seconds: float = 2.0) -> tuple[dict[str, object], str | None]:
    """Return the reading, and the kind of the failure that ended it."""
    result = await sandbox.read(raw, mailbox="m", limit=1.0, files_seconds=files_seconds)
    return result.reading, result.stopped and result.stopped.kind


async def test_the_second_answer_completes_the_first(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox()
    result = await sandbox.read(b"files echo text|echo file", mailbox="m", limit=AMPLE)
    assert (result.reading["size"], result.reading["mailbox"]) == (4, "m")
    assert result.reading["file"]["size"] == 4
    assert result.attachments == [b"file"]
    assert (result.stopped, result.is_unfinished) == (None, False)


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (b"devour", "memory"),
        (b"crash segfault", "crash"),
        (b"crash exit", "crash"),
        (b"close_pipe", "crash"),
        (b"answer \0\0\0\2{}", "crash"),
        (b"fault", "error"),
        (b"large part", "error"),
        (b"nap 60", "timeout"),
    ],
)
async def test_what_ends_the_reading_of_a_file_does_not_cost_the_text(
    open_sandbox: OpenSandbox, file: bytes, kind: str
) -> None:
    sandbox = await open_sandbox(size=1, limits=ChildLimits(max_answer_bytes=100_000))
    async with asyncio.timeout(AMPLE):
        result = await sandbox.read(b"files echo text|" + file, mailbox="m", limit=AMPLE, files_seconds=0.5)
    assert result.reading["size"] == 4
    assert result.attachments == [b"text"]
    assert result.stopped is not None
    assert (result.stopped.kind, result.file) == (kind, 1)
    assert result.is_unfinished == (kind == "timeout")
    assert (await sandbox.read(b"echo", mailbox="m", limit=AMPLE)).reading["size"] == 0


async def test_a_text_that_takes_too_long_is_a_failure_also_when_there_are_files(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox()
    with pytest.raises(ReadFailedError) as failed:
        await sandbox.read(b"files spin|echo", mailbox="m", limit=0.3)
    assert failed.value.kind == "timeout"
    assert failed.value.seconds >= 0.2


async def test_the_files_have_time_of_their_own(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox()
    result = await sandbox.read(b"files work 0.2|work 0.2", mailbox="m", limit=0.3, files_seconds=2.0)
    assert result.stopped is None


async def test_the_processor_time_of_a_mail_is_its_own(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    for _ in range(2):
        result = await sandbox.read(b"files work 0.1|work 0.1", mailbox="m", limit=AMPLE)
        assert 0.2 <= result.cpu_seconds < 0.5


async def test_the_processor_time_of_a_mail_that_was_ended_is_not_that_of_the_next(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    for _ in range(3):
        with pytest.raises(ReadFailedError) as failed:
            await sandbox.read(b"spin", mailbox="m", limit=0.2)
        assert 0.1 < failed.value.seconds < 0.5
    assert (await sandbox.read(b"echo", mailbox="m", limit=AMPLE)).cpu_seconds < 0.1


async def test_the_time_of_files_that_failed_counts_with_that_of_the_text(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0)
    result = await sandbox.read(b"files work 0.2|fault", mailbox="m", limit=AMPLE)
    assert result.stopped is not None
    assert 0.2 <= result.cpu_seconds < 0.5


async def test_mails_behind_one_with_files_get_their_own_answers(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, spares=0, patience=AMPLE)
    mails = [b"files echo %d|echo" % n if n % 2 else b"echo %d" % n for n in range(20)]
    found = await asyncio.gather(*(sandbox.read(mail, mailbox=str(n), limit=AMPLE) for n, mail in enumerate(mails)))
    assert [result.reading["mailbox"] for result in found] == [str(n) for n in range(20)]


async def test_answers_without_end_are_refused(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1)
    frame = b'{"file":1,"parts":[]}'
    raw = b"files echo|answer " + (len(frame).to_bytes(4, "big") + frame) * 2000
    result = await sandbox.read(raw, mailbox="m", limit=AMPLE)
    assert result.stopped is not None
    assert "too many frames" in result.stopped.reason
    assert result.reading["pid"] != os.getpid()

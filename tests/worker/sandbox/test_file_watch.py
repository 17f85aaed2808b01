"""The files of a mail share their CPU time, and code that uses up its share is interrupted."""

import time

import pytest

from worker.reading.attachments.library_guard import OutOfTimeError
from worker.sandbox.failure import OUT_OF_TIME
from worker.sandbox.file_watch import CpuTimer, FileWatch


@pytest.fixture
def timer() -> CpuTimer:
    return CpuTimer()


def work(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def spin() -> None:
    while True:
        pass


def ignore(_: int) -> None:
    pass


def test_a_file_that_never_ends_is_interrupted(timer: CpuTimer) -> None:
    watch = FileWatch(timer, ignore, 0.2, 0.5)
    with pytest.raises(OutOfTimeError), watch(1):
        spin()
    assert watch.is_out_of_time


def test_a_library_that_catches_every_error_is_interrupted_again(timer: CpuTimer) -> None:
    interrupts = 0

    def swallow() -> None:
        nonlocal interrupts
        while True:
            try:
                spin()
            except BaseException:
                interrupts += 1
                if interrupts == 3:
                    raise

    with pytest.raises(OutOfTimeError), FileWatch(timer, ignore, 0.2, 0.5)(1):
        swallow()
    assert interrupts == 3


def test_a_file_may_use_its_share_and_all_files_no_more_than_the_mail_has(timer: CpuTimer) -> None:
    watch = FileWatch(timer, ignore, 0.6, 0.5)
    for n in range(3):
        with watch(n):
            work(0.15)
    assert not watch.is_out_of_time
    with pytest.raises(OutOfTimeError), watch(4):
        work(0.25)
    with pytest.raises(OutOfTimeError), watch(5):
        spin()


def test_nothing_interrupts_the_code_after_a_file(timer: CpuTimer) -> None:
    with FileWatch(timer, ignore, 0.2, 0.5)(1):
        pass
    work(0.3)


def test_each_file_is_reported_before_it_is_read(timer: CpuTimer) -> None:
    reported: list[int] = []
    with FileWatch(timer, reported.append, 1.0, 0.5)(7):
        assert reported == [7]


def test_the_parent_knows_the_error_by_its_name() -> None:
    assert OutOfTimeError.__name__ == OUT_OF_TIME

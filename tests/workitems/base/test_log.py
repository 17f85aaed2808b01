"""One event is one line of bounded length, whatever a stranger wrote into it."""

import subprocess
import sys

import pytest

from workitems.base.log import LONGEST_TRACE, LONGEST_VALUE

#: Text that a stranger could send to forge a log line.
FORGED = "a\n2026 level=info who=forged\r\x1b[2J\x00\x85\u2028\u2029\x9b31m"

START = (
    f"from workitems.base.log import configure, get_logger; import logging; text = {FORGED!r}; long = 'x' * 100_000; "
)


def written(program: str, level: str = "info") -> str:
    """Return what a process that logs writes to standard error."""
    code = START + f"configure({level!r}); log = get_logger('test')\n{program}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b""
    return done.stderr.decode()


def test_a_line_names_time_level_logger_event_and_values() -> None:
    line = written("log.info('mailbox opened', mailbox='claims', uid=7)")
    assert line.count("\n") == 1
    assert line.startswith("timestamp=20")
    assert line.endswith('level=info who=test event="mailbox opened" mailbox=claims uid=7\n')


@pytest.mark.parametrize(
    "program",
    [
        "log.info('e', a=text)",
        "log.info(text)",
        "log.info('e', a=[text])",
        "log.info('e', a=text.encode())",
        "log.info('e', a=ValueError(text))",
        "class Rude(Exception):\n    __repr__ = __str__ = lambda self: text\nlog.info('e', a=Rude())",
        "try:\n    raise ValueError(text)\nexcept ValueError:\n    log.exception('e')",
    ],
)
def test_control_characters_cannot_forge_a_line(program: str) -> None:
    line = written(program)
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert not set(line[:-1]) & set("\r\x1b\x00\x85\u2028\u2029\x9b")
    assert line.count(" who=") == 1 or '"' in line.partition("who=test")[2]


@pytest.mark.parametrize(
    "program", ["log.info('e', a=long)", "log.info(long)", "log.info('e', a=[long])", "log.info('e', a=OSError(long))"]
)
def test_a_long_value_is_truncated(program: str) -> None:
    assert LONGEST_VALUE <= len(written(program)) < LONGEST_VALUE + 200


def test_a_traceback_is_truncated_at_its_start_so_that_its_error_stays() -> None:
    program = "try:\n    raise ValueError(long + 'the end')\nexcept ValueError:\n    log.exception('e')"
    line = written(program)
    assert len(line) < LONGEST_TRACE * 2
    assert "the end" in line


def test_a_library_cannot_forge_a_second_log_line() -> None:
    lines = written("logging.getLogger('aioimaplib').warning('answered %s', text)").splitlines()
    assert lines == ["aioimaplib: answered a�2026 level=info who=forged��[2J�����31m"]


def test_a_traceback_of_a_library_is_indented_and_truncated() -> None:
    program = (
        "try:\n    raise ValueError(text + long)\nexcept ValueError:\n    logging.getLogger('asyncio').exception('e')"
    )
    out = written(program)
    first, *rest = out.splitlines()
    assert first == "asyncio: e"
    assert rest
    assert all(line.startswith("  ") for line in rest)
    assert len(out) < LONGEST_TRACE * 2


def test_levels_below_the_set_one_are_not_logged_and_libraries_log_from_warning_on() -> None:
    program = "log.info('quiet'); log.warning('loud'); logging.getLogger('aioimaplib').info('chatter')"
    assert "loud" in (out := written(program, "warning"))
    assert "quiet" not in out
    assert "chatter" not in out
    assert "chatter" not in written(program, "debug")

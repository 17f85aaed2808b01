"""Scripts are parsed: every error is reported with its line and with what is accepted."""

from pathlib import Path

import pytest

from demo.script import KINDS, MAX_BYTES, ScriptError, ScriptStep, parse, read
from demo.step_actions import STEP_ACTIONS


def test_a_script_has_one_step_a_line_with_comments_and_blank_lines() -> None:
    text = "# begin\nstreams\n\nitems 3   # three\n\tburst 200\nwait 0.5\nreset\nrepeat 4\n"
    steps = [
        ScriptStep(2, "streams", 1),
        ScriptStep(4, "items", 3),
        ScriptStep(5, "burst", 200),
        ScriptStep(6, "wait", 0.5),
        ScriptStep(7, "reset"),
    ]
    assert parse(text) == [*steps, ScriptStep(8, "repeat", 4)]


def test_a_repeat_without_a_number_has_no_end() -> None:
    assert parse("wait 1\nrepeat")[-1] == ScriptStep(2, "repeat", 0)


def test_every_step_that_can_be_written_can_be_played() -> None:
    assert STEP_ACTIONS.keys() == KINDS.keys() - {"repeat"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("itmes 3", "s:2: 'itmes' is no step; did you mean items?"),
        ("xyz", "s:2: 'xyz' is no step; accepted: streams, wait, items, burst, update"),
        ("wait", "s:2: wait: seconds from 0.01 to 3600"),
        ("wait 3601", "s:2: wait: seconds from 0.01 to 3600, found '3601'"),
        ("wait 2s", "s:2: wait: seconds from 0.01 to 3600, found '2s'"),
        ("wait -1", "found '-1'"),
        ("wait nan", "found 'nan'"),
        ("wait 1e3", "found '1e3'"),
        ("wait ٣", "found '٣'"),
        ("burst", "s:2: burst: a whole number from 1 to 5000"),
        ("burst 5001", "burst: a whole number from 1 to 5000, found '5001'"),
        ("items 0", "items: a whole number from 1 to 1000 or nothing, found '0'"),
        ("items 1.5", "found '1.5'"),
        ("items 1 2", "found '1 2'"),
        ("reset 1", "s:2: reset: nothing may follow, found '1'"),
        ("silence 0", "silence: seconds from 0.1 to 3600, found '0'"),
        ("repeat\nwait 1", "s:2: repeat: must be the last step"),
        ("repeat", "s:2: repeat: a script that is repeated needs a wait"),
    ],
)
def test_a_wrong_line_is_reported_with_its_number_and_what_is_accepted(line: str, message: str) -> None:
    with pytest.raises(ScriptError) as wrong:
        parse(f"items\n{line}\n", "s")
    assert message in str(wrong.value)


def test_all_wrong_lines_are_reported_at_once() -> None:
    with pytest.raises(ScriptError) as wrong:
        parse("go\nitems\nstop\n", "s")
    assert [line.split(":")[1] for line in str(wrong.value).splitlines()] == ["1", "3"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "items\n" * 1_001])
def test_a_script_without_steps_or_with_too_many_is_refused(text: str) -> None:
    with pytest.raises(ScriptError, match=r"there is no step|at most 1,000 steps"):
        parse(text)


def test_a_file_that_cannot_be_a_script_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="cannot be read: No such file"):
        read(tmp_path / "missing")
    (tmp_path / "large").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ScriptError, match="at most 65,536 bytes"):
        read(tmp_path / "large")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScriptError, match="not UTF-8 text"):
        read(tmp_path / "binary")

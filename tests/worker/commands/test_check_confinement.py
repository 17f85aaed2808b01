"""`run.py check` on the children that work on what strangers wrote: it says when they cannot be confined wholly."""

from pathlib import Path

import pytest

from worker.commands.check import check
from worker.commands.check_confinement import check_confinement
from workitems.confinement import probe
from workitems.settings import Settings

#: A child on a platform without landlock and seccomp.
UNCONFINED = (
    "import sys; sys.path.insert(0, sys.argv[1]); from workitems.confinement import landlock, seccomp; "
    "landlock.read_only = lambda paths: False; seccomp.program = lambda *machine: None; "
    "from workitems.confinement.probe import main; main()"
)


async def test_a_platform_that_cannot_confine_children_is_a_warning_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(probe, "_PROGRAM", UNCONFINED)
    said: list[str] = []
    await check(Settings(redis={"url": "redis://127.0.0.1:1"}, data=tmp_path), said.append)
    at = next(n for n, line in enumerate(said) if line.startswith("children"))
    assert "WARNING  this platform cannot confine them wholly: landlock, seccomp." in said[at]
    assert "docs/troubleshooting.md" in said[at + 1]


async def test_only_what_the_platform_lacks_is_a_warning() -> None:
    missing = await probe.find_missing_steps()
    said, findings = await check_confinement()
    assert bool(said) == (not missing)
    assert [finding.is_error for finding in findings] == [False] * bool(missing)


@pytest.mark.parametrize(
    ("program", "why"), [("raise SystemExit(3)", "ended with 3"), ("while True: 1", "within 0.2 s")]
)
async def test_a_child_that_cannot_run_is_an_error(monkeypatch: pytest.MonkeyPatch, program: str, why: str) -> None:
    monkeypatch.setattr(probe, "_PROGRAM", program)
    monkeypatch.setattr(probe, "PROBE_SECONDS", 0.2 if "while" in program else 60.0)
    said, (finding,) = await check_confinement()
    assert (said, finding.is_error) == ("", True)
    assert why in finding.message

"""`run.py` by a Python that lacks what Tubepost needs, and without a verb."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import PROJECT

#: As if one package were not installed.
WITHOUT = """
import runpy, sys
sys.modules["{}"] = None
sys.argv = ["run.py", "check"]
runpy.run_path("run.py", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [(["-S", "run.py", "check"], "pydantic"), (["-c", WITHOUT.format("aioimaplib")], "aioimaplib")],
    ids=["nothing is installed", "one package is not"],
)
def test_what_is_not_installed_is_told_with_how_to_start_instead(
    tmp_path: Path, arguments: list[str], missing: str
) -> None:
    environment = {"TUBEPOST_DATA": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    told = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 2
    assert told.stderr == (
        f"Tubepost: {missing} is not installed for this Python. Start it as `.venv/bin/python run.py …`; "
        "`make .venv/installed` installs what it needs.\n"
    )


def test_without_a_verb_all_verbs_are_listed() -> None:
    told = subprocess.run(
        [sys.executable, "run.py"], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 2
    assert "reread" in told.stderr
    assert "show what is extracted from mails in files" in told.stderr

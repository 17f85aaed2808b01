"""The seeds of the fuzzer, and what it once found, keep what is held for every input."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, Target

#: Inputs that broke something once: a folder for each target.
FOUND = sorted(path for path in (Path(__file__).parent / "found").glob("*/*") if path.parent.name in TARGETS)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_the_seeds_of_a_target_keep_what_is_held_for_every_input(target: Target) -> None:
    assert target.seeds
    for seed in target.seeds:
        target.check(seed)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_the_fuzzer_found_is_mended(path: Path) -> None:
    TARGETS[path.parent.name].check(path.read_bytes())

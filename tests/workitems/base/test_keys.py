"""The tables of keys name each key that the program makes, and say what becomes of it when Redis deletes it."""

import inspect
import re
from pathlib import Path

import pytest

from tests.support.key_kinds import LOST, MADE, NOT_NEEDED, STORED, key_kinds, kind_of
from tests.support.program import PROJECT
from workitems.base import keys

CONSTANTS = {
    name: value for name, value in vars(keys).items()
    if name.isupper() and isinstance(value, str) and value.startswith(keys.PREFIX) and value != keys.PREFIX
}  # fmt: skip
FUNCTIONS = {name: value for name, value in vars(keys).items() if inspect.isfunction(value)}

#: Each kind of key, with what becomes of it: who adds a key must decide that, and have the repair make it again.
FATES = {
    MADE: {
        "seq", "item:<id>", "items, items:<mailbox>, items:<status>, items:<mailbox>:<status>", "submission:<id>",
        "submission:<id>:items", "messageid:<key>", "closed", "removing", "retention", "intake", "attempts:<id>",
        "quarantine", "references", "merged",
    },
    STORED: {"gone:<id>", "mailbox:<name>:<folder>", "store", "users, apikeys", "reference:n, reference:most"},
    NOT_NEEDED: {
        "feed", "feed:run, feed:prev", "feed:seed", "probe", "events:<id>", "import:<name>:<folder>", "lease:<name>",
        "after:<name>:tries", "generation", "repaired", "restoring", "servers", "workers", "alarm:<what>",
        "reread", "certificates", "merging", "job:<kind>", "answer:<kind>",
    },
    LOST: {"history:<id>", "after:<name>", "posted:<digest>", "signedout:<digest>", "fields:<mailbox>:<day>"},
}  # fmt: skip


def test_it_is_decided_for_each_kind_of_key_what_becomes_of_it_when_redis_deletes_it() -> None:
    kinds = key_kinds()
    assert {fate: {kind.name for kind in kinds if kind.fate == fate} for fate in FATES} == FATES
    assert len(kinds) == sum(map(len, FATES.values()))


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_table_names_each_key(name: str) -> None:
    assert kind_of(CONSTANTS[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_table_names_the_keys_of_each_function(name: str) -> None:
    assert kind_of(FUNCTIONS[name](*["x"] * len(inspect.signature(FUNCTIONS[name]).parameters)))


def test_a_table_names_each_key_of_the_scripts() -> None:
    """Scripts write a key as its beginning and what comes after it; the beginning is that of a kind."""
    beginnings = {part.split("<")[0] for kind in key_kinds() for part in kind.name.split(", ")}
    for path in sorted(Path(PROJECT, "workitems").rglob("*.lua")):
        named = set(re.findall(r"P \.\. '([^']+)'", path.read_text(encoding="utf-8")))
        assert named <= beginnings | {"lease:import.", "answer:trial"}, path.name

"""Rules that somebody sends get the sentences that the settings file would get."""

from pathlib import Path
from typing import Any

import pytest

from workitems.base.errors import InvalidChangeError, SettingsError
from workitems.settings.load import load_settings
from workitems.settings.rules_check import MAX_FIELDS, MAX_WAYS, check_rules


def test_valid_rules_are_what_the_settings_file_would_give(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("""
[fields.deal]
labels = "Deal"
pattern = 'X\\d+'
[[fields.deal.also]]
mailboxes = ["claims"]
labels = ["Trade"]
""")
    sent = {"deal": {"labels": "Deal", "pattern": r"X\d+", "also": [{"mailboxes": ["claims"], "labels": ["Trade"]}]}}
    assert check_rules(sent) == load_settings({}, file=file).fields
    assert check_rules({}) == {}


@pytest.mark.parametrize(
    ("toml", "sent", "field"),
    [
        ("[fields.deal]\ntype = 'dat'\nlabels = ['a']", {"deal": {"type": "dat", "labels": ["a"]}}, "rules.deal.type"),
        ("[fields.deal]\npattern = '(a'", {"deal": {"pattern": "(a"}}, "rules.deal.pattern"),
        ("[fields.deal]\npattern = '(?=a)b'", {"deal": {"pattern": "(?=a)b"}}, "rules.deal.pattern"),
        ("[fields.deal]\nlable = ['Deal']", {"deal": {"lable": ["Deal"]}}, "rules.deal.lable"),
        ("[fields.deal]\n", {"deal": {}}, "rules.deal"),
        ("[fields]\ndeal = 1", {"deal": 1}, "rules.deal"),
        ("fields = 1", 1, "rules"),
        ("[fields.NEW]\nlabels = ['a']", {"NEW": {"labels": ["a"]}}, "rules"),
    ],
)  # fmt: skip
def test_wrong_rules_get_the_sentences_of_the_settings_file(tmp_path: Path, toml: str, sent: Any, field: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(toml)
    with pytest.raises(SettingsError) as wanted:
        load_settings({}, file=file)
    with pytest.raises(InvalidChangeError) as found:
        check_rules(sent)
    assert str(found.value) == str(wanted.value)
    assert found.value.field == field


@pytest.mark.parametrize(
    "sent",
    [
        {f"field_{n}": {"pattern": "a"} for n in range(MAX_FIELDS + 1)},
        {"deal": {"also": [{"pattern": "a"}] * MAX_WAYS}},
        {"deal": {"also": [{"pattern": "("}] * MAX_WAYS}},
    ],
)
def test_too_many_patterns_are_refused_before_one_is_compiled(sent: Any) -> None:
    with pytest.raises(InvalidChangeError, match="at most 100 fields with 200 ways") as refused:
        check_rules(sent)
    assert refused.value.field == "rules"


def test_an_error_names_some_of_many_wrong_rules() -> None:
    with pytest.raises(InvalidChangeError) as refused:
        check_rules({f"field_{n}": {} for n in range(MAX_FIELDS)})
    assert len(str(refused.value).splitlines()) == 10

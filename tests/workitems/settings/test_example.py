"""`tubepost.example.toml` documents the settings: it must be complete and correct."""

import re
import tomllib

import pytest

from tests.support.program import PROJECT
from workitems.settings import DemoSettings, FieldSettings, MailboxSettings, Section, Settings, SourceSettings

TEXT = (PROJECT / "tubepost.example.toml").read_text()

#: Every setting active: without the comment signs, and without settings that exclude each other.
ACTIVE = "\n".join(
    line
    for line in re.sub(r"^#(?=[a-z_]+ = |\[)", "", TEXT, flags=re.MULTILINE).splitlines()
    if not re.match(r"(password|token|secret|cookie_secret|client_\w+|token_\w+|authority|topics) = ", line)
)


def test_the_example_is_valid_as_it_is_and_with_every_line_active() -> None:
    Settings.model_validate(tomllib.loads(TEXT))
    Settings.model_validate(tomllib.loads(ACTIVE))


@pytest.mark.parametrize("section", [*Settings.model_fields])
def test_every_setting_is_in_the_example(section: str) -> None:
    model = {"mailboxes": MailboxSettings, "sources": SourceSettings, "fields": FieldSettings}.get(
        section, Settings.model_fields[section].annotation
    )
    if model is DemoSettings:  # is set by `run.py demo` alone
        return
    names = model.model_fields if isinstance(model, type) and issubclass(model, Section) else [section]
    missing = [name for name in names if not re.search(rf"^#?(?:{name} = |\[\[.*\.{name}\]\])", TEXT, re.MULTILINE)]
    assert missing == []


def test_the_defaults_in_the_example_are_those_of_the_program() -> None:
    active = tomllib.loads(ACTIVE)
    examples = {"url", "hosts", "allowed_origins", "trusted_proxies", "cookie_secret_file", "name"}
    for section in ("redis", "server", "stream", "intake", "worker", "retention"):
        defaults = Settings().model_dump()[section]
        shown = {name: value for name, value in active[section].items() if name not in examples}
        assert shown == {name: defaults[name] for name in shown}

"""Which settings differ, by name and never by value."""

from typing import Any

from workitems.settings import Settings
from workitems.settings.comparison import changed_names, rules_digest

BOX = {"host": "imap.example.com", "user": "desk", "password": "first-password"}


def settings(**tables: Any) -> Settings:
    return Settings.model_validate(tables)


def test_equal_settings_have_no_differences() -> None:
    assert changed_names(settings(mailboxes={"desk": BOX}), settings(mailboxes={"desk": BOX})) == []


def test_each_setting_that_differs_is_named() -> None:
    before = settings(log="info", mailboxes={"desk": BOX})
    after = settings(log="debug", server={"port": 9000}, mailboxes={"desk": BOX | {"password": "second-password"}})
    assert changed_names(before, after) == ["log", "server.port", "mailboxes.desk.password"]


def test_a_mailbox_that_is_new_or_gone_is_named_once() -> None:
    before, after = settings(mailboxes={"desk": BOX}), settings(mailboxes={"orders": BOX})
    assert changed_names(before, after) == ["mailboxes.desk", "mailboxes.orders"]


def test_rules_are_not_named_since_they_change_without_a_restart() -> None:
    after = settings(fields={"deal": {"labels": ["Deal"]}}, reading={"general": False})
    assert changed_names(settings(), after) == []


def test_the_digest_of_rules_is_that_of_the_rules_alone() -> None:
    deal = {"fields": {"deal": {"labels": ["Deal"]}}}
    assert rules_digest(settings(**deal)) == rules_digest(settings(**deal, log="debug", mailboxes={"desk": BOX}))
    others = [settings(), settings(**deal, reading={"general": False}), settings(fields={"deal": {"labels": ["Ship"]}})]
    assert len({rules_digest(each) for each in (settings(**deal), *others)}) == 4

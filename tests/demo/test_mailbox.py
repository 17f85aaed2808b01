"""The demo mailbox: pymap, empty, with a hidden password."""

from pathlib import Path

from demo import mailbox


def test_the_mailbox_is_empty_and_its_user_can_sign_in(demo_mailbox):
    demo_mailbox.start()

    assert demo_mailbox.numbers() == []


def test_the_password_cannot_be_read_from_the_list_of_processes(demo_mailbox):
    demo_mailbox.start()

    shown = Path(f"/proc/{demo_mailbox.process.pid}/cmdline").read_bytes()

    assert demo_mailbox.user.encode() in shown
    assert b"tube $HOME" not in shown


def test_sigterm_ends_it_with_zero(demo_mailbox):
    assert demo_mailbox.start().stop() == 0


def test_the_environment_keeps_its_other_variables(monkeypatch):
    monkeypatch.setenv("SOMETHING", "else")

    environment = mailbox.environment("secret")

    assert environment["SOMETHING"] == "else"
    assert environment[mailbox.PASSWORD] == "secret"

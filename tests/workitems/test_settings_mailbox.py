"""What a mailbox and a posting service may be set to, and the sentence for what they may not."""

from pathlib import Path

import pytest

from workitems.configuration import load
from workitems.errors import SettingsError
from workitems.settings import Settings, SourceSettings

SECRET = "hunter2-is-secret"


def mailbox(more: str, password: str = f'password = "{SECRET}"') -> Settings:
    """The settings with a mailbox `claims` that has *more* in its table."""
    file = Path("tubepost.toml")
    file.write_text(f'[mailboxes.claims]\nhost = "imap.example.com"\nuser = "c@example.com"\n{password}\n{more}')
    return load({}, file=file)


def source(text: str) -> Settings:
    file = Path("tubepost.toml")
    file.write_text(f'[sources.web]\nmailbox = "claims"\n{text}')
    return load({}, file=file)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_one_folder_or_several_are_watched() -> None:
    assert mailbox("").mailboxes["claims"].folder == ("INBOX",)
    assert mailbox('folder = "Ärger"').mailboxes["claims"].folder == ("Ärger",)
    assert mailbox('folder = ["INBOX", "Web forms"]').mailboxes["claims"].folder == ("INBOX", "Web forms")


def test_two_mailboxes_that_move_mail_to_and_fro_are_refused_and_one_that_hands_it_on_is_not() -> None:
    other = (
        f'[mailboxes.two]\nhost = "IMAP.example.com"\nuser = "c@example.com"\npassword = "{SECRET}"\nfolder = "Two"\n'
    )
    assert len(mailbox('after = "move:Two"\n' + other).mailboxes) == 2
    with pytest.raises(SettingsError, match="into each other's folders for ever"):
        mailbox('after = "move:Two"\n' + other + 'after = "move:inbox"')


@pytest.mark.parametrize("after", ["leave", "seen", "keyword:Tubepost", "keyword:$Done", "move:Archive/2026"])
def test_what_is_done_afterwards_is_one_of_four(after: str) -> None:
    assert mailbox(f'after = "{after}"').mailboxes["claims"].after == after


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('after = "delete"', "mailboxes.claims.after: must be 'leave', 'seen', 'keyword:<name>' or 'move:<folder>'"),
        ('after = "keyword:two words"', "mailboxes.claims.after: must be"),
        ('after = "keyword:"', "mailboxes.claims.after: must be"),
        ('after = "move:INBOX"', "after moves mail out of the folders that are watched"),
        ('after = "move:inbox"', "after moves mail out of the folders that are watched"),
        ('sent = "Sent"\nafter = "move:Sent"', "after moves mail out of the folders that are watched"),
        ('folder = ["INBOX", "Inbox"]', "folder and sent name each folder once"),
        ('sent = "INBOX"', "folder and sent name each folder once"),
        ("folder = []", "mailboxes.claims.folder: must not be empty"),
        (r'folder = "a\r\nb"', "the name of a folder, without line ends"),
        ('when = "read"', "mailboxes.claims.when: must be 'published' or 'done'"),
        ('client_id = "x"', "client_* and token_* are for auth = 'microsoft' and 'google'"),
        ('auth = "microsoft"', "auth = 'microsoft' wants no password"),
    ],
)
def test_a_wrong_mailbox_is_told_what_is_accepted(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        mailbox(text)
    assert said in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('auth = "microsoft"', "wants the client_id of a registered application"),
        ('auth = "microsoft"\nclient_id = "x"', "wants a client secret (the application's own access), or token_file"),
        ('auth = "google"\nclient_id = "x"\nclient_secret = "y"', "wants a client secret, and token_file or"),
        ('auth = "google"\nclient_id = "x"\ntoken_file = "t"', "wants a client secret, and token_file or"),
        (
            'auth = "microsoft"\nclient_id = "x"\ntoken_file = "t"\ntoken_command = "c"',
            "set token_file or token_command, not both",
        ),
        (
            'auth = "microsoft"\nclient_id = "x"\nclient_secret = "y"\nclient_secret_file = "z"',
            "set client_secret or client_secret_file, not both",
        ),
        ('auth = "google"\nclient_id = "x"\nauthority = "http://x"', "authority: must be such as https://"),
    ],
)
def test_an_incomplete_oauth_is_told_what_is_missing(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        mailbox(text, password="")
    assert said in str(error.value)


def test_a_command_of_one_word_needs_no_list() -> None:
    settings = mailbox('auth = "microsoft"\nclient_id = "x"\ntoken_command = "/bin/store"', password="")
    assert settings.mailboxes["claims"].token_command == ("/bin/store",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "sparkpost"', "sources.web.kind: must be 'mailgun', 'sendgrid', 'postmark' or 'ses'"),
        ('kind = "mailgun"', "set exactly one of secret and secret_file"),
        ('kind = "ses"', "ses is known by its topics"),
        (f'kind = "ses"\ntopics = ["arn:aws:sns:eu-west-1:123456789012:m"]\nsecret = "{SECRET}"', "ses is known by"),
    ],
)
def test_a_wrong_source_is_told_what_is_accepted(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        source(text)
    assert said in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("kind", ["mailgun", "sendgrid", "postmark"])
@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_secret_proves_nothing_and_is_an_error(kind: str, empty: str, tmp_path: Path) -> None:
    """A variable that is not set leaves one, and then anybody could sign."""
    source = SourceSettings.model_validate({"kind": kind, "mailbox": "claims", "secret": empty})
    with pytest.raises(SettingsError, match="secret: is set and empty"):
        source.password()
    (tmp_path / "secret").write_text(empty + "\n")
    source = SourceSettings.model_validate({"kind": kind, "mailbox": "claims", "secret_file": tmp_path / "secret"})
    with pytest.raises(SettingsError, match="is empty"):
        source.password()

"""The accepted settings of a mailbox and a source, and the error messages for others."""

from pathlib import Path

import pytest

from workitems.base.errors import SettingsError
from workitems.settings import Settings, SourceSettings
from workitems.settings.load import load_settings

SECRET = "hunter2-is-secret"


def mailbox(more: str, password: str = f'password = "{SECRET}"') -> Settings:
    """Return settings with a mailbox `claims` and *more* in its table."""
    file = Path("tubepost.toml")
    file.write_text(f'[mailboxes.claims]\nhost = "imap.example.com"\nuser = "c@example.com"\n{password}\n{more}')
    return load_settings({}, file=file)


def source(text: str) -> Settings:
    file = Path("tubepost.toml")
    file.write_text(f'[sources.web]\nmailbox = "claims"\n{text}')
    return load_settings({}, file=file)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_one_folder_or_several_are_watched() -> None:
    assert mailbox("").mailboxes["claims"].folders == ("INBOX",)
    assert mailbox('folders = "Ärger"').mailboxes["claims"].folders == ("Ärger",)
    assert mailbox('folders = ["INBOX", "Web forms"]').mailboxes["claims"].folders == ("INBOX", "Web forms")


def test_the_team_has_the_user_and_other_addresses() -> None:
    assert mailbox('addresses = "desk@ours.example"').mailboxes["claims"].team_addresses[1:] == ("desk@ours.example",)
    with pytest.raises(SettingsError, match="an address such as"):
        mailbox('addresses = ["ours.example"]')


def test_two_mailboxes_that_move_mail_to_each_other_are_refused_and_a_one_way_move_is_not() -> None:
    other = (
        f'[mailboxes.two]\nhost = "IMAP.example.com"\nuser = "c@example.com"\npassword = "{SECRET}"\nfolders = "Two"\n'
    )
    assert len(mailbox('after_action = "move:Two"\n' + other).mailboxes) == 2
    with pytest.raises(SettingsError, match="into each other's folders for ever"):
        mailbox('after_action = "move:Two"\n' + other + 'after_action = "move:inbox"')


@pytest.mark.parametrize("after", ["leave", "seen", "keyword:Tubepost", "keyword:$Done", "move:Archive/2026"])
def test_the_after_action_is_one_of_four(after: str) -> None:
    assert mailbox(f'after_action = "{after}"').mailboxes["claims"].after_action == after


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'after_action = "delete"',
            "mailboxes.claims.after_action: must be 'leave', 'seen', 'keyword:<name>' or 'move:<folder>'",
        ),
        ('after_action = "keyword:two words"', "mailboxes.claims.after_action: must be"),
        ('after_action = "keyword:"', "mailboxes.claims.after_action: must be"),
        ('after_action = "move:INBOX"', "after_action moves mail out of the folders that are watched"),
        ('after_action = "move:inbox"', "after_action moves mail out of the folders that are watched"),
        (
            'sent_folder = "Sent"\nafter_action = "move:Sent"',
            "after_action moves mail out of the folders that are watched",
        ),
        ('folders = ["INBOX", "Inbox"]', "folders and sent_folder name each folder once"),
        ('sent_folder = "INBOX"', "folders and sent_folder name each folder once"),
        ("folders = []", "mailboxes.claims.folders: must not be empty"),
        (r'folders = "a\r\nb"', "the name of a folder, without line ends"),
        ('after_action_on = "read"', "mailboxes.claims.after_action_on: must be 'published' or 'done'"),
        ('client_id = "x"', "client_* and token_* are for auth = 'microsoft' and 'google'"),
        ('auth = "microsoft"', "auth = 'microsoft' needs no password"),
    ],
)
def test_the_error_of_a_wrong_mailbox_says_what_is_accepted(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        mailbox(text)
    assert said in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('auth = "microsoft"', "needs the client_id of a registered application"),
        ('auth = "microsoft"\nclient_id = "x"', "needs a client secret (the application's own access), or token_file"),
        ('auth = "google"\nclient_id = "x"\nclient_secret = "y"', "needs a client secret, and token_file or"),
        ('auth = "google"\nclient_id = "x"\ntoken_file = "t"', "needs a client secret, and token_file or"),
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
def test_the_error_of_an_incomplete_oauth_says_what_is_missing(text: str, said: str) -> None:
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
        ('kind = "ses"', "ses is authenticated by its topics"),
        (
            f'kind = "ses"\ntopics = ["arn:aws:sns:eu-west-1:123456789012:m"]\nsecret = "{SECRET}"',
            "ses is authenticated",
        ),
    ],
)
def test_the_error_of_a_wrong_source_says_what_is_accepted(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        source(text)
    assert said in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("kind", ["mailgun", "sendgrid", "postmark"])
@pytest.mark.parametrize("short", ["", " ", "s3kret!", "  s3kret!          "])
def test_a_secret_of_a_source_that_could_be_guessed_is_an_error(kind: str, short: str, tmp_path: Path) -> None:
    """A variable that is not set leaves an empty secret, and then anyone could sign."""
    with pytest.raises(SettingsError, match=r"^sources\.web\.secret: must have at least 16") as error:
        source(f"kind = '{kind}'\nsecret = '{short}'")
    assert "s3kret" not in str(error.value)
    (tmp_path / "secret").write_text(short + "\n")
    filed = SourceSettings.model_validate({"kind": kind, "mailbox": "claims", "secret_file": tmp_path / "secret"})
    with pytest.raises(SettingsError, match=r"^secret_file: .*(is empty|must have at least 16)") as error:
        filed.shared_secret()
    assert "s3kret" not in str(error.value)


def test_the_length_of_a_mailbox_password_is_the_providers_matter() -> None:
    assert mailbox("", password='password = "x"').mailboxes["claims"].read_password() == "x"

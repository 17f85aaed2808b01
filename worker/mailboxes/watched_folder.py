"""What the settings say about each watched folder."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.imap import Account
from worker.mailboxes.checkpoints import StartFrom
from worker.mailboxes.fetcher import FetchedMail
from worker.oauth import make_token_refresher
from workitems.intake.origin import MailOrigin
from workitems.settings import MailboxSettings, Settings


@dataclass(frozen=True, slots=True)
class WatchedFolder:
    """One folder. `get_account` gives the account each time that a connection is opened.

    `is_own`: it holds what the team itself sent.
    """

    mailbox: str
    get_account: Callable[[], Account]
    folder: str = "INBOX"
    start: StartFrom = "now"
    poll_seconds: float = 60.0
    max_bytes: int = 50 * 1024 * 1024
    is_own: bool = False


def watched_folders(name: str, mailbox: MailboxSettings, settings: Settings) -> list[WatchedFolder]:
    """Return the folders of one mailbox, the folder of sent mail last. They share one account."""
    account = make_account_getter(name, mailbox)
    sent = (mailbox.sent_folder,) if mailbox.sent_folder else ()
    return [
        WatchedFolder(
            name,
            account,
            folder,
            mailbox.start,
            mailbox.poll_seconds,
            settings.intake.max_mail_bytes,
            is_own=folder == mailbox.sent_folder,
        )
        for folder in (*mailbox.folders, *sent)
    ]


def make_account_getter(name: str, mailbox: MailboxSettings) -> Callable[[], Account]:
    """Return a function that gives the account. It reads the password each time; all connections share the tokens."""
    tokens = make_token_refresher(name, mailbox)

    def account() -> Account:
        ca_file = str(mailbox.ca_file) if mailbox.ca_file else None
        password = "" if tokens else mailbox.read_password()
        return Account(mailbox.host, mailbox.effective_port, mailbox.tls, mailbox.user, password, ca_file, tokens)

    return account


def make_origin(
    watch: WatchedFolder, mail: FetchedMail, uidvalidity: int, *, token: str = "", moves: bool = True
) -> MailOrigin:
    """Return where *mail* comes from, for the intake. *moves*: its put moves the checkpoint."""
    return MailOrigin(
        mailbox=watch.mailbox,
        arrived=mail.arrived or datetime.now(UTC),
        source="imap",
        size=mail.size,
        oversized=mail.is_oversized,
        folder=watch.folder,
        is_own=watch.is_own,
        uidvalidity=uidvalidity,
        uid=mail.uid,
        lease_token=token,
        moves_checkpoint=moves,
    )

"""What the settings say about each folder that is watched."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.baseline import Start
from worker.fetching import Mail
from worker.imap import Account
from worker.oauth import tokens_of
from workitems.intake import Origin
from workitems.settings import MailboxSettings, Settings


@dataclass(frozen=True, slots=True)
class Watch:
    """One folder: `poll` in seconds, `largest` in bytes; `account` says who opens it, when that is needed.

    `own`: it holds what the team sent itself.
    """

    name: str
    account: Callable[[], Account]
    folder: str = "INBOX"
    start: Start = "now"
    poll: float = 60.0
    largest: int = 50 * 1024 * 1024
    own: bool = False


def watches(name: str, mailbox: MailboxSettings, settings: Settings) -> list[Watch]:
    """The folders of one mailbox, that of sent mail last. Their account is one and the same."""
    account = account_of(name, mailbox)
    sent = (mailbox.sent,) if mailbox.sent else ()
    return [
        Watch(name, account, folder, mailbox.start, mailbox.poll, settings.intake.largest, own=folder == mailbox.sent)
        for folder in (*mailbox.folder, *sent)
    ]


def account_of(name: str, mailbox: MailboxSettings) -> Callable[[], Account]:
    """Gives the account; its password is read each time, its access tokens come from one place for all connections."""
    tokens = tokens_of(name, mailbox)

    def account() -> Account:
        ca_file = str(mailbox.ca_file) if mailbox.ca_file else None
        password = "" if tokens else mailbox.secret()
        return Account(mailbox.host, mailbox.real_port, mailbox.tls, mailbox.user, password, ca_file, tokens)

    return account


def origin(watch: Watch, mail: Mail, uidvalidity: int, *, token: str = "", moves: bool = True) -> Origin:
    """Where *mail* comes from, as the intake wants it."""
    return Origin(
        mailbox=watch.name,
        arrived=mail.arrived or datetime.now(UTC),
        source="imap",
        size=mail.size,
        oversized=mail.oversized,
        folder=watch.folder,
        own=watch.own,
        uidvalidity=uidvalidity,
        uid=mail.uid,
        token=token,
        moves=moves,
    )

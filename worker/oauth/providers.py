"""From a mailbox's settings to its provider and its tokens."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from worker.oauth.grant import Grant, grant_of, making_sense, refusal
from worker.oauth.keeping import keeping_of
from worker.oauth.tokens import Tokens
from workitems.settings import MailboxSettings


def tokens_of(name: str, mailbox: MailboxSettings) -> Tokens | None:
    """The tokens of the mailbox *name*, to be made once and shared by all its connections; None with a password."""
    if mailbox.auth == "password":
        return None
    return Tokens(name, partial(renewed, name, mailbox), keeping_of(mailbox), advice(name, mailbox))


def advice(name: str, mailbox: MailboxSettings) -> str:
    """What a person can do whose mailbox is refused."""
    if keeping_of(mailbox) is None:
        return (
            f"Check client_id, client secret and tenant of {name}, and that the application may open the mailbox of "
            f"{mailbox.user} (docs/sign-in.md)"
        )
    return f"Sign in again: run.py authorize {name}"


def renewed(name: str, mailbox: MailboxSettings, refresh_token: str | None) -> Grant:
    """A new access token for *refresh_token*, or the application's own without one. Blocks: for threads.

    LoginRefusedError, TokenUnavailableError, SettingsError.
    """
    with making_sense(name):
        answer = _answer(mailbox, refresh_token)
    if "error" in answer:
        secrets = [refresh_token or "", mailbox.application_secret() or ""]
        raise refusal(answer, f"an access token for {name}", advice(name, mailbox), secrets)
    return grant_of(answer)


def _answer(mailbox: MailboxSettings, refresh_token: str | None) -> Mapping[str, Any]:
    """The libraries are imported here, in the thread that needs them: that takes 0.3 s."""
    if mailbox.auth == "google":
        from worker.oauth import google

        return google.renew(mailbox, refresh_token)
    from worker.oauth import microsoft

    return microsoft.renew(mailbox, refresh_token)

"""From a mailbox's settings to its provider and its tokens."""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from worker.oauth.grant import Grant, grant_of, making_sense, refusal
from worker.oauth.keeping import keeping_of
from worker.oauth.tokens import Tokens
from workitems.settings import MailboxSettings


def tokens_of(name: str, mailbox: MailboxSettings) -> Tokens | None:
    """The tokens of the mailbox *name*, to be made once and shared by all its connections; None with a password.

    The provider's library is imported here, at the start: it takes 0.3 s, which would hold up a loop at work.
    """
    if mailbox.auth == "password":
        return None
    _library(mailbox)
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
        answer: Mapping[str, Any] = _library(mailbox).renew(mailbox, refresh_token)
    if "error" in answer:
        secrets = [refresh_token or "", mailbox.application_secret() or ""]
        raise refusal(answer, f"an access token for {name}", advice(name, mailbox), secrets)
    return grant_of(answer)


def _library(mailbox: MailboxSettings) -> ModuleType:
    """The module that speaks to the provider; only those who need a provider pay for its library."""
    return import_module(f"worker.oauth.{mailbox.auth}")

"""Makes the token refresher of a mailbox from its settings, and requests tokens from its provider."""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from worker.oauth.token_response import TokenResponse, parse_token_response, token_error, translating_errors
from worker.oauth.token_store import make_token_store
from worker.oauth.tokens import TokenRefresher
from workitems.settings import MailboxSettings


def make_token_refresher(name: str, mailbox: MailboxSettings) -> TokenRefresher | None:
    """Return the refresher of the mailbox *name*, for all its connections; None with a password.

    The provider's library is imported here, at the start: it takes 0.3 s, which would block a running loop.
    """
    if mailbox.auth == "password":
        return None
    _library(mailbox)
    return TokenRefresher(name, partial(request_token, name, mailbox), make_token_store(mailbox), advice(name, mailbox))


def advice(name: str, mailbox: MailboxSettings) -> str:
    """Return what a person can do when the sign-in to the mailbox is refused."""
    if make_token_store(mailbox) is None:
        return (
            f"Check client_id, client secret and tenant of {name}, and that the application may open the mailbox of "
            f"{mailbox.user} (docs/sign-in.md)"
        )
    return f"Sign in again: run.py authorize {name}"


def request_token(name: str, mailbox: MailboxSettings, refresh_token: str | None) -> TokenResponse:
    """Request an access token for *refresh_token*, or for the application without one. Blocks: for threads.

    LoginRefusedError, TokenUnavailableError, SettingsError.
    """
    with translating_errors(name):
        answer: Mapping[str, Any] = _library(mailbox).renew(mailbox, refresh_token)
    if "error" in answer:
        secrets = [refresh_token or "", mailbox.read_client_secret() or ""]
        raise token_error(answer, f"an access token for {name}", advice(name, mailbox), secrets)
    return parse_token_response(answer)


def _library(mailbox: MailboxSettings) -> ModuleType:
    """Import the module of the provider, and so its library, only where a mailbox needs it."""
    return import_module(f"worker.oauth.{mailbox.auth}")

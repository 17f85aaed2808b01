"""`run.py authorize NAME`: a person signs in once, and the refresh token is stored."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from worker.imap.errors import LoginRefusedError, TokenUnavailableError
from worker.oauth.token_response import TokenResponse, parse_token_response, token_error, translating_errors
from worker.oauth.token_store import TokenStore, make_token_store
from workitems.base.errors import SettingsError
from workitems.base.threads import run_alone
from workitems.settings import MailboxSettings, Settings

#: Prints text for a person.
Echo = Callable[[str], object]

#: Waits some seconds.
Pause = Callable[[float], Awaitable[None]]


async def authorize(settings: Settings, name: str, echo: Echo | None = None, pause: Pause = asyncio.sleep) -> None:
    """Guide a person through the sign-in for the mailbox *name*, and store the token. Waits 15 minutes at most.

    SettingsError, LoginRefusedError (denied, or too late), TokenUnavailableError.
    """
    echo = echo or _print
    mailbox, store = _check_settings(settings, name)
    with contextlib.suppress(TokenUnavailableError):  # a command may fail while it has no token
        await run_alone(store.check)
    with translating_errors(name):
        answer = await _sign_in(mailbox, echo, pause)
    if "error" in answer:
        secrets = [mailbox.read_client_secret() or ""]
        raise token_error(answer, f"the sign-in for {name}", f"To try again: run.py authorize {name}", secrets)
    await run_alone(store.store, _require_refresh_token(parse_token_response(answer), mailbox))
    echo(
        f"The sign-in for {name} is stored. A running worker uses it at its next attempt, within ten minutes.\n"
        "run.py check shows whether the mailbox opens."
    )


def _check_settings(settings: Settings, name: str) -> tuple[MailboxSettings, TokenStore]:
    mailbox = settings.mailboxes.get(name)
    if mailbox is None:
        raise SettingsError(f"no mailbox is named {name!r:.80}; there are: {', '.join(settings.mailboxes) or 'none'}")
    if mailbox.auth == "password":
        raise SettingsError(f"mailboxes.{name}.auth: it signs in by password; 'microsoft' and 'google' are authorized")
    store = make_token_store(mailbox)
    if store is None:
        raise SettingsError(
            f"mailboxes.{name}: the application signs in by itself, so no person has to; a person signs in where "
            "token_file or token_command is set"
        )
    if mailbox.auth == "microsoft" and mailbox.read_client_secret():
        raise SettingsError(
            f"mailboxes.{name}.client_secret: leave it out where a person signs in; Microsoft's device flow is for "
            "applications without one"
        )
    return mailbox, store


async def _sign_in(mailbox: MailboxSettings, echo: Echo, pause: Pause) -> Mapping[str, Any]:
    if mailbox.auth == "google":
        from worker.oauth.loopback import sign_in_by_loopback

        return await sign_in_by_loopback(mailbox, echo)
    from worker.oauth.device import sign_in_by_device

    return await sign_in_by_device(mailbox, echo, pause)


def _require_refresh_token(response: TokenResponse, mailbox: MailboxSettings) -> str:
    """Return the refresh token. LoginRefusedError when it does not open mailboxes."""
    scope = "https://mail.google.com/" if mailbox.auth == "google" else "IMAP.AccessAsUser.All"
    if response.scopes is not None and not any(each.endswith(scope) for each in response.scopes):
        raise LoginRefusedError(f"the sign-in does not allow what is needed: {scope}", advice="Allow it on the page")
    if not response.refresh_token:
        raise LoginRefusedError("the provider gives no refresh token, so the sign-in would not last")
    return response.refresh_token


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

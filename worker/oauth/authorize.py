"""`run.py authorize NAME`: a person signs in once, and the refresh token that comes of it is kept."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from worker.imap.errors import LoginRefusedError, TokenUnavailableError
from worker.oauth.grant import Grant, grant_of, making_sense, refusal
from worker.oauth.keeping import Keeping, keeping_of
from workitems.errors import SettingsError
from workitems.settings import MailboxSettings, Settings

#: Tells a person a line or more.
Say = Callable[[str], object]

#: Waits some seconds.
Pause = Callable[[float], Awaitable[None]]


async def authorize(settings: Settings, name: str, say: Say | None = None, pause: Pause = asyncio.sleep) -> None:
    """Lead a person through the sign-in for the mailbox *name* and keep what it brings. Waits 15 minutes at most.

    SettingsError, LoginRefusedError (denied, or too late), TokenUnavailableError.
    """
    say = say or _print
    mailbox, keeping = _asked(settings, name)
    with contextlib.suppress(TokenUnavailableError):  # a command may fail as long as it has nothing
        await asyncio.to_thread(keeping.check)
    with making_sense(name):
        answer = await _answer(mailbox, say, pause)
    if "error" in answer:
        secrets = [mailbox.application_secret() or ""]
        raise refusal(answer, f"the sign-in for {name}", f"To try again: run.py authorize {name}", secrets)
    await asyncio.to_thread(keeping.store, _lasting(grant_of(answer), mailbox))
    say(
        f"The sign-in for {name} is kept. A worker that runs notices with its next try, within ten minutes.\n"
        "run.py check tells whether the mailbox opens."
    )


def _asked(settings: Settings, name: str) -> tuple[MailboxSettings, Keeping]:
    mailbox = settings.mailboxes.get(name)
    if mailbox is None:
        raise SettingsError(f"no mailbox is named {name!r:.80}; there are: {', '.join(settings.mailboxes) or 'none'}")
    if mailbox.auth == "password":
        raise SettingsError(f"mailboxes.{name}.auth: it signs in by password; 'microsoft' and 'google' are authorized")
    keeping = keeping_of(mailbox)
    if keeping is None:
        raise SettingsError(
            f"mailboxes.{name}: the application signs in by itself, so nobody has to; a person signs in where "
            "token_file or token_command is set"
        )
    if mailbox.auth == "microsoft" and mailbox.application_secret():
        raise SettingsError(
            f"mailboxes.{name}.client_secret: leave it out where a person signs in; Microsoft's device flow is for "
            "applications without one"
        )
    return mailbox, keeping


async def _answer(mailbox: MailboxSettings, say: Say, pause: Pause) -> Mapping[str, Any]:
    if mailbox.auth == "google":
        from worker.oauth.loopback import by_loopback

        return await by_loopback(mailbox, say)
    from worker.oauth.device import by_device

    return await by_device(mailbox, say, pause)


def _lasting(grant: Grant, mailbox: MailboxSettings) -> str:
    """The refresh token, when it opens mailboxes."""
    wanted = "https://mail.google.com/" if mailbox.auth == "google" else "IMAP.AccessAsUser.All"
    if grant.scopes is not None and not any(scope.endswith(wanted) for scope in grant.scopes):
        raise LoginRefusedError(f"the sign-in does not allow what is needed: {wanted}", advice="Allow it on the page")
    if not grant.refresh_token:
        raise LoginRefusedError("the provider gives no refresh token, so the sign-in would not last")
    return grant.refresh_token


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

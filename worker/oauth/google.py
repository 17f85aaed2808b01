"""Google: a refresh token that a person gave. Blocks: for threads."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials

from worker.oauth.endpoint import Endpoint
from workitems.settings import MailboxSettings

#: Where people consent, and where tokens come from.
CONSENT, TOKENS = "https://accounts.google.com/o/oauth2/v2/auth", "https://oauth2.googleapis.com/token"

#: The only scope that opens a mailbox by IMAP.
SCOPE = "https://mail.google.com/"


def renew(mailbox: MailboxSettings, refresh_token: str | None) -> Mapping[str, Any]:
    """The token endpoint's answer (RFC 6749 §5), an error's too."""
    credentials = Credentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=refresh_token,
        token_uri=token_address(mailbox),
        client_id=mailbox.client_id,
        client_secret=mailbox.application_secret(),
    )
    with Endpoint() as endpoint:
        try:
            credentials.refresh(Request(endpoint))  # type: ignore[arg-type, no-untyped-call]  # all that it calls
        except GoogleAuthError as error:
            return _refused(error)
    life = credentials.expiry - datetime.now(UTC).replace(tzinfo=None) if credentials.expiry else None
    return {
        "access_token": credentials.token,
        "refresh_token": credentials.refresh_token,
        "expires_in": life and life.total_seconds(),
    }


def _refused(error: Any) -> Mapping[str, Any]:
    """The endpoint's answer, which the library hides in its error.

    One it replaces by words about another program: that the organisation wants the person to sign in again.
    """
    if error.retryable:
        return {"error": "temporarily_unavailable"}
    return error.args[1] if len(error.args) > 1 and isinstance(error.args[1], dict) else {"error": "invalid_grant"}


def token_address(mailbox: MailboxSettings) -> str:
    """Where tokens come from."""
    return f"{mailbox.authority.rstrip('/')}/token" if mailbox.authority else TOKENS


def consent_address(mailbox: MailboxSettings) -> str:
    """Where a person is asked."""
    return f"{mailbox.authority.rstrip('/')}/o/oauth2/v2/auth" if mailbox.authority else CONSENT

"""Google: new access tokens for the refresh token of a person. Blocks: for threads."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials

from worker.oauth.provider_client import ProviderClient
from workitems.settings import MailboxSettings

#: The authorization endpoint and the token endpoint.
CONSENT, TOKENS = "https://accounts.google.com/o/oauth2/v2/auth", "https://oauth2.googleapis.com/token"

#: The only scope that opens a mailbox by IMAP.
SCOPE = "https://mail.google.com/"


def renew(mailbox: MailboxSettings, refresh_token: str | None) -> Mapping[str, Any]:
    """Return the answer of the token endpoint (RFC 6749 §5), or an error."""
    credentials = Credentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=refresh_token,
        token_uri=token_url(mailbox),
        client_id=mailbox.client_id,
        client_secret=mailbox.read_client_secret(),
    )
    with ProviderClient() as provider:
        try:
            credentials.refresh(Request(provider))  # type: ignore[no-untyped-call]
        except GoogleAuthError as error:
            return _refused(error)
    life = credentials.expiry - datetime.now(UTC).replace(tzinfo=None) if credentials.expiry else None
    return {
        "access_token": credentials.token,
        "refresh_token": credentials.refresh_token,
        "expires_in": life and life.total_seconds(),
    }


def _refused(error: Any) -> Mapping[str, Any]:
    """Return the answer of the endpoint, which google-auth puts into its error.

    It replaces one answer by advice about another program: that the organisation asks the person to sign in again.
    """
    if error.retryable:
        return {"error": "temporarily_unavailable"}
    return error.args[1] if len(error.args) > 1 and isinstance(error.args[1], dict) else {"error": "invalid_grant"}


def token_url(mailbox: MailboxSettings) -> str:
    """Return the address of the token endpoint."""
    return f"{mailbox.authority.rstrip('/')}/token" if mailbox.authority else TOKENS


def authorization_url(mailbox: MailboxSettings) -> str:
    """Return the address where a person consents."""
    return f"{mailbox.authority.rstrip('/')}/o/oauth2/v2/auth" if mailbox.authority else CONSENT

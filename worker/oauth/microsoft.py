"""Microsoft 365: as an application (client credentials), or as a person (refresh token). Blocks: for threads."""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msal

from worker.imap.errors import LoginRefusedError
from worker.oauth.provider_client import ProviderClient
from workitems.base.errors import SettingsError
from workitems.settings import MailboxSettings

# At DEBUG it logs user names and addresses.
logging.getLogger("msal").setLevel(logging.WARNING)

#: The authority for tokens, outside the national clouds.
AUTHORITY = "https://login.microsoftonline.com"

#: IMAP servers of national clouds. They are also the resource in the scope of a token.
NATIONAL = frozenset({"outlook.office365.us", "outlook-dod.office365.us", "partner.outlook.cn"})

#: Tenants that mean any directory: an application cannot sign in there.
ANY_TENANT = frozenset({"organizations", "common", "consumers"})


def renew(mailbox: MailboxSettings, refresh_token: str | None) -> Mapping[str, Any]:
    """Return the answer of the token endpoint (RFC 6749 §5). Without *refresh_token*: for the application."""
    answer: Mapping[str, Any]
    with ProviderClient() as provider:
        if refresh_token is None:
            answer = _application(mailbox, provider).acquire_token_for_client([application_scope(mailbox.host)])
        else:
            client = make_client(mailbox, provider, mailbox.read_client_secret())
            answer = client.acquire_token_by_refresh_token(refresh_token, [person_scope(mailbox.host)])
    return answer


def _application(mailbox: MailboxSettings, provider: ProviderClient) -> Any:
    if mailbox.tenant in ANY_TENANT:
        raise SettingsError(
            f"tenant: an application signs in to one directory, and '{mailbox.tenant}' means any; accepted is its id "
            "or its name such as example.onmicrosoft.com"
        )
    return make_client(mailbox, provider, mailbox.read_client_secret())


def make_client(mailbox: MailboxSettings, provider: ProviderClient, secret: str | None) -> Any:
    """Return msal's client, with a *secret* or as a public one. LoginRefusedError where the tenant is unknown.

    For one use only: msal caches tokens, refusals (a minute) and Retry-After (an hour), and we decide about these.
    """
    authority = f"{(mailbox.authority or AUTHORITY).rstrip('/')}/{quote(mailbox.tenant, safe='')}"
    kind = msal.ConfidentialClientApplication if secret else msal.PublicClientApplication
    try:
        return kind(
            mailbox.client_id,
            client_credential=secret,
            authority=authority,
            http_client=provider,
            instance_discovery=False,  # or msal asks a second host about the first
        )
    except ValueError:  # msal's message quotes the answer
        raise LoginRefusedError(
            f"{authority} is not known to the provider", advice="Check tenant and authority"
        ) from None


def application_scope(host: str) -> str:
    """Return the scope of an application: all that its administrator allowed there."""
    return f"https://{host if host in NATIONAL else 'outlook.office365.com'}/.default"


def person_scope(host: str) -> str:
    """Return the scope of a person: IMAP for the mailboxes that the person may open. msal adds `offline_access`."""
    return f"https://{host if host in NATIONAL else 'outlook.office.com'}/IMAP.AccessAsUser.All"

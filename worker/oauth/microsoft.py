"""Microsoft 365: as an application (client credentials), or as a person (refresh token). Blocks: for threads."""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msal

from worker.imap.errors import LoginRefusedError
from worker.oauth.endpoint import Endpoint
from workitems.errors import SettingsError
from workitems.settings import MailboxSettings

# At DEBUG it tells who signed in where.
logging.getLogger("msal").setLevel(logging.WARNING)

#: Where tokens come from, outside of the national clouds.
AUTHORITY = "https://login.microsoftonline.com"

#: Mailbox servers of national clouds; they are also what a token of theirs is for.
NATIONAL = frozenset({"outlook.office365.us", "outlook-dod.office365.us", "partner.outlook.cn"})

#: Tenants that stand for any directory: an application cannot sign in there.
ANY_TENANT = frozenset({"organizations", "common", "consumers"})


def renew(mailbox: MailboxSettings, refresh_token: str | None) -> Mapping[str, Any]:
    """The token endpoint's answer (RFC 6749 §5), an error's too. Without *refresh_token*: the application's own."""
    answer: Mapping[str, Any]
    with Endpoint() as endpoint:
        if refresh_token is None:
            answer = _application(mailbox, endpoint).acquire_token_for_client([application_scope(mailbox.host)])
        else:
            client = client_of(mailbox, endpoint, mailbox.application_secret())
            answer = client.acquire_token_by_refresh_token(refresh_token, [person_scope(mailbox.host)])
    return answer


def _application(mailbox: MailboxSettings, endpoint: Endpoint) -> Any:
    if mailbox.tenant in ANY_TENANT:
        raise SettingsError(
            f"tenant: an application signs in to one directory, and '{mailbox.tenant}' is any; accepted is its id, or "
            "its name such as example.onmicrosoft.com"
        )
    return client_of(mailbox, endpoint, mailbox.application_secret())


def client_of(mailbox: MailboxSettings, endpoint: Endpoint, secret: str | None) -> Any:
    """msal's client, with a *secret* or as a public one. LoginRefusedError where the tenant is not known.

    For one use: msal keeps tokens, refusals (a minute) and wishes to be left alone (an hour); we decide about these.
    """
    authority = f"{(mailbox.authority or AUTHORITY).rstrip('/')}/{quote(mailbox.tenant, safe='')}"
    kind = msal.ConfidentialClientApplication if secret else msal.PublicClientApplication
    try:
        return kind(
            mailbox.client_id,
            client_credential=secret,
            authority=authority,
            http_client=endpoint,
            instance_discovery=False,  # no question to a second host about the first
        )
    except ValueError:  # msal's words quote the answer
        raise LoginRefusedError(
            f"{authority} is not known to the provider", advice="Check tenant and authority"
        ) from None


def application_scope(host: str) -> str:
    """What an application asks for: all that its administrator allowed it there."""
    return f"https://{host if host in NATIONAL else 'outlook.office365.com'}/.default"


def person_scope(host: str) -> str:
    """What a person allows: IMAP to the mailboxes that are open to this person. msal adds `offline_access`."""
    return f"https://{host if host in NATIONAL else 'outlook.office.com'}/IMAP.AccessAsUser.All"

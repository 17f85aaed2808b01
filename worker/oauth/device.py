"""Microsoft's device flow (RFC 8628): a person enters a code in any browser, and we poll until then."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from worker.imap.errors import LoginRefusedError, TokenUnavailableError
from worker.oauth.microsoft import make_client, person_scope
from worker.oauth.provider_client import ProviderClient
from workitems.base.threads import run_alone
from workitems.settings import MailboxSettings

#: Seconds added to the interval when the provider asks us to slow down, or is not reached (RFC 8628 §3.5).
SLOWER = 5.0

#: The longest interval, and the longest wait for a person, in seconds.
LONGEST_INTERVAL, LONGEST_WAIT = 60.0, 900.0

_PAGE = re.compile(r"https://[\x21-\x7e]{1,200}")
_USER_CODE = re.compile(r"[A-Za-z0-9-]{4,40}")


async def sign_in_by_device(
    mailbox: MailboxSettings, echo: Callable[[str], object], pause: Callable[[float], Awaitable[None]]
) -> Mapping[str, Any]:
    """Return the last answer of the token endpoint, or an error. LoginRefusedError when no code is entered in time."""
    with ProviderClient() as provider:
        client = await run_alone(make_client, mailbox, provider, None)
        flow = await run_alone(client.initiate_device_flow, [person_scope(mailbox.host)])
        if "error" in flow:
            return dict(flow)
        page, code = str(flow.get("verification_uri")), str(flow.get("user_code"))
        if not (_PAGE.fullmatch(page) and _USER_CODE.fullmatch(code) and "device_code" in flow):
            raise TokenUnavailableError("the provider's answer names no page and no code for a person")
        wait = min(LONGEST_WAIT, max(1.0, float(flow["expires_in"])))
        echo(
            f"Open this page in any browser:\n\n    {page}\n\nand enter the code {code}. Sign in as somebody who may "
            f"open the mailbox of {mailbox.user}.\nThis waits for {wait / 60:.0f} minutes; Ctrl-C ends it."
        )
        return await _poll_for_token(client, flow, wait, pause)


async def _poll_for_token(
    client: Any, flow: dict[str, Any], wait: float, pause: Callable[[float], Awaitable[None]]
) -> Mapping[str, Any]:
    """Ask once in each interval. We pause ourselves, so that this can be cancelled: msal would sleep in its thread."""
    interval, waited = float(flow["interval"]), 0.0
    while waited < wait:
        interval = min(LONGEST_INTERVAL, max(1.0, interval))
        await pause(interval)
        waited += interval
        try:
            once = {**flow, "interval": 1}
            answer: Mapping[str, Any] = await run_alone(
                client.acquire_token_by_device_flow, once, exit_condition=lambda _: True
            )
        except TokenUnavailableError:
            interval += SLOWER
            continue
        if answer.get("error") == "slow_down":
            interval += SLOWER
        elif answer.get("error") != "authorization_pending":
            return answer
    raise LoginRefusedError("nobody entered the code in time", advice="To try again, repeat the command")

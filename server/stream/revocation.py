"""Ends the streams of clients that may no longer read: a stream is checked when it opens, and then lives for minutes.

Every process forgets a removed user or key within `workitems.base.ttl_cache.FRESH_SECONDS`. With a check every
CHECK_SECONDS, none of their streams is open after 30 s. The streams of an expired session end in the same way.
"""

import asyncio

from server.access.authentication import Authenticator, Credential
from server.stream.hub import Hub
from workitems.base.errors import StoreError
from workitems.base.tasks import not_cancelled

#: Seconds between two checks of all credentials that have a stream.
CHECK_SECONDS = 10.0

#: Credentials that are checked before others may use the event loop.
_SLICE = 64


class RevocationChecker:
    """Checks the streams of one process."""

    def __init__(self, hub: Hub, auth: Authenticator, *, scope: str) -> None:
        """*scope* is the scope that a stream needs."""
        self._hub = hub
        self._auth = auth
        self._scope = scope

    async def run(self) -> None:
        """Check again and again."""
        while not_cancelled():
            await asyncio.sleep(CHECK_SECONDS)
            await self.check_once()

    async def check_once(self) -> None:
        """Check each credential once. One that cannot be checked just now ends no stream."""
        refused = set[Credential]()
        for number, credential in enumerate({stream.credential for stream in self._hub.open_streams}, 1):
            if credential is not None and not await self._may_read(credential):
                refused.add(credential)
            if not number % _SLICE:
                await asyncio.sleep(0)
        if refused:
            await self._hub.end_revoked(refused)

    async def _may_read(self, credential: Credential) -> bool:
        try:
            identity = await self._auth.identify_credential(credential)
        except StoreError:
            return True
        return identity is not None and self._scope in identity.scopes

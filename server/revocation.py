"""Ends the streams of those who may no longer read: a stream is let in once and then lives for minutes.

A removed user or key is forgotten within `workitems.remembered.FRESH` seconds by every process; with a look every LOOK
seconds none of their streams is open after 30 s. A session that has come to its age ends the same way.
"""

import asyncio

from server.auth import Auth, Credential
from server.hub import Hub
from workitems.errors import StoreUnavailableError
from workitems.tasks import not_cancelled

#: Seconds between two looks at everybody who has a stream.
LOOK = 10.0

#: Credentials that are looked at before others may use the event loop.
_SLICE = 64


class Revocation:
    """Looks after one process's streams."""

    def __init__(self, hub: Hub, auth: Auth, *, scope: str) -> None:
        """*scope* is what a stream needs."""
        self._hub = hub
        self._auth = auth
        self._scope = scope

    async def run(self) -> None:
        """Look for ever."""
        while not_cancelled():
            await asyncio.sleep(LOOK)
            await self.step()

    async def step(self) -> None:
        """Look once at each credential. What cannot be known ends nobody's stream."""
        refused = set[Credential]()
        for number, credential in enumerate({stream.credential for stream in self._hub.open}, 1):
            if credential is not None and not await self._may_read(credential):
                refused.add(credential)
            if not number % _SLICE:
                await asyncio.sleep(0)
        if refused:
            await self._hub.revoke(refused)

    async def _may_read(self, credential: Credential) -> bool:
        try:
            identity = await self._auth.recognise(credential)
        except StoreUnavailableError:
            return True
        return identity is not None and self._scope in identity.scopes

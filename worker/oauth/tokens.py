"""Gives and renews the access token of one mailbox, with one refresher for all its connections."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.imap.errors import LoginRefusedError, TokenUnavailableError
from worker.oauth.token_response import TokenResponse
from worker.oauth.token_store import TokenStore
from workitems.base.log import get_logger
from workitems.base.threads import Threads

log = get_logger("oauth")

#: A token is renewed so many seconds before it expires, or a tenth of its lifetime where that is shorter.
MARGIN, MARGIN_PART = 300.0, 0.1

#: Seconds before its end from which a token is no longer given, even if there is no other.
MIN_VALIDITY_SECONDS = 20.0

#: Seconds for a whole renewal. Its single steps have shorter time-outs of their own.
RENEWAL = 90.0

#: Requests new tokens for the stored refresh token (None: for the application itself). Blocks.
RequestToken = Callable[[str | None], TokenResponse]


@dataclass(frozen=True, slots=True)
class CachedToken:
    """An access token, and on the monotonic clock until when it is given and when it expires."""

    token: str = field(repr=False)
    usable_until: float
    expires_at: float


class TokenRefresher:
    """Gives an access token that is valid for some minutes, and renews it when needed.

    While the provider is unavailable, the old token is given as long as it is valid.

    A refresh token that the provider replaced is stored before the access token that came with it is given. So the next
    renewal has it, whatever happens.
    """

    def __init__(self, name: str, request_token: RequestToken, store: TokenStore | None, advice: str) -> None:
        self._name = name
        self._request_token = request_token
        self._store = store
        #: What a person can do when the IMAP server refuses a new token.
        self.advice = advice
        self._clock = time.monotonic
        self._cached: CachedToken | None = None
        self._not_before = 0.0
        self._renewing: asyncio.Task[None] | None = None
        #: The replaced refresh token, and the new one that could not be stored.
        self._unsaved: tuple[str | None, str] | None = None
        # One thread: a renewal that nobody waits for any more is still finished, and stored, before the next.
        self._thread = Threads(1, "oauth")

    async def access_token(self) -> str:
        """Return the token. All callers during a renewal wait for the same one.

        LoginRefusedError when a person must sign in, TokenUnavailableError when a retry may help, SettingsError.
        """
        if self._cached is None or self._clock() >= self._cached.usable_until:
            if self._renewing is None or self._renewing.done():
                self._renewing = asyncio.create_task(self._renew(), name=f"token of {self._name}")
            try:
                await asyncio.shield(self._renewing)
            except TokenUnavailableError:
                if self._cached is None or self._clock() >= self._cached.expires_at - MIN_VALIDITY_SECONDS:
                    raise  # otherwise the old token is still valid
        if self._cached is None:  # another connection reported it as refused in the same moment
            raise TokenUnavailableError(f"the access token of {self._name} was refused as soon as it came")
        return self._cached.token

    def invalidate(self, token: str) -> None:
        """Never give *token* again: the IMAP server refuses it."""
        if self._cached and self._cached.token == token:
            self._cached = None

    async def _renew(self) -> None:
        if (left := self._not_before - self._clock()) > 0:
            raise TokenUnavailableError(f"the provider asked us to stay away for {left:.0f} s more")
        try:
            async with asyncio.timeout(RENEWAL):
                self._cached = await self._thread.run(self._request)
        except TimeoutError:
            raise TokenUnavailableError(f"no access token for {self._name} within {RENEWAL:g} s") from None
        except TokenUnavailableError as error:
            self._not_before = self._clock() + error.retry_after
            raise
        log.debug("access token renewed", mailbox=self._name)

    def _request(self) -> CachedToken:
        """Request a new access token with the stored refresh token. Runs in the thread."""
        refresh = self._load_refresh_token()
        began = self._clock()
        response = self._request_token(refresh)
        if refresh and response.refresh_token and response.refresh_token != refresh:
            self._unsaved = (refresh, response.refresh_token)
            self._store_unsaved()
        ends = began + response.lifetime_seconds
        return CachedToken(response.access_token, ends - min(MARGIN, response.lifetime_seconds * MARGIN_PART), ends)

    def _load_refresh_token(self) -> str | None:
        """Return the refresh token to use, or None for an application that signs in by itself."""
        if self._store is None:
            return None
        kept = self._store.get()
        if self._unsaved and self._unsaved[0] == kept:
            self._store_unsaved()
            kept = self._store.get()
        if kept is None:
            raise LoginRefusedError(f"nobody has signed in for {self._name} yet", advice=self.advice)
        return kept

    def _store_unsaved(self) -> None:
        if self._store and self._unsaved:
            self._store.store(self._unsaved[1])
            self._unsaved = None

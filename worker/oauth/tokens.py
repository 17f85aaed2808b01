"""The access tokens of one mailbox: one refresher, however many connections ask."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from worker.imap.errors import LoginRefusedError, TokenUnavailableError
from worker.oauth.grant import Grant
from worker.oauth.keeping import Keeping
from workitems.log import get_logger

log = get_logger("oauth")

#: A token is renewed so many seconds before it expires, or a tenth of its life where that is shorter.
MARGIN, MARGIN_PART = 300.0, 0.1

#: Seconds before its end from which a token is not given any more, even if there is no other.
LAST = 20.0

#: Seconds for a renewal as a whole; its single steps have time-outs of their own that end before.
RENEWAL = 90.0

#: From the refresh token that is kept (None: the application's own access) to new tokens. Blocks.
Ask = Callable[[str | None], Grant]


@dataclass(frozen=True, slots=True)
class Held:
    """An access token; on the monotonic clock, until when it is given and when it `ends`."""

    token: str = field(repr=False)
    until: float
    ends: float


class Tokens:
    """Gives an access token that is good for some minutes, and renews it when it is needed.

    While the provider is away, the one that is there is given as long as it is good.

    A refresh token that the provider replaced is kept before the access token that came with it is given: whatever
    happens then, the next renewal has it.
    """

    def __init__(self, name: str, ask: Ask, keeping: Keeping | None, advice: str) -> None:
        self._name = name
        self._ask = ask
        self._keeping = keeping
        #: What a person can do when the mailbox's server refuses a new token.
        self.advice = advice
        self._clock = time.monotonic
        self._held: Held | None = None
        self._not_before = 0.0
        self._renewing: asyncio.Task[None] | None = None
        #: A token that could not be kept, after the one that it replaces.
        self._unkept: tuple[str | None, str] | None = None
        # One thread: a renewal that nobody waits for any more is still finished, and kept, before the next.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="oauth")

    async def access_token(self) -> str:
        """The token; all who ask while it is renewed wait for the same renewal.

        LoginRefusedError when a person must sign in, TokenUnavailableError when it may go better later, SettingsError.
        """
        if self._held is None or self._clock() >= self._held.until:
            if self._renewing is None or self._renewing.done():
                self._renewing = asyncio.create_task(self._renew(), name=f"token of {self._name}")
            try:
                await asyncio.shield(self._renewing)
            except TokenUnavailableError:
                if self._held is None or self._clock() >= self._held.ends - LAST:
                    raise  # otherwise the old one is good while the provider is away
        if self._held is None:  # refused again by another connection, in the same moment
            raise TokenUnavailableError(f"the access token of {self._name} was refused as soon as it came")
        return self._held.token

    def refused(self, token: str) -> None:
        """The mailbox's server does not take *token* any more."""
        if self._held and self._held.token == token:
            self._held = None

    async def _renew(self) -> None:
        if (left := self._not_before - self._clock()) > 0:
            raise TokenUnavailableError(f"the provider asked us to stay away for {left:.0f} s more")
        try:
            async with asyncio.timeout(RENEWAL):
                self._held = await asyncio.get_running_loop().run_in_executor(self._thread, self._renewed)
        except TimeoutError:
            raise TokenUnavailableError(f"no access token for {self._name} within {RENEWAL:g} s") from None
        except TokenUnavailableError as error:
            self._not_before = self._clock() + error.wait
            raise
        log.debug("access token renewed", mailbox=self._name)

    def _renewed(self) -> Held:
        """In the thread: from the refresh token that is kept to a new access token."""
        refresh = self._kept()
        began = self._clock()
        grant = self._ask(refresh)
        if refresh and grant.refresh_token and grant.refresh_token != refresh:
            self._unkept = (refresh, grant.refresh_token)
            self._keep()
        ends = began + grant.life
        return Held(grant.access_token, ends - min(MARGIN, grant.life * MARGIN_PART), ends)

    def _kept(self) -> str | None:
        """The refresh token to use; None for an application that signs in by itself."""
        if self._keeping is None:
            return None
        kept = self._keeping.get()
        if self._unkept and self._unkept[0] == kept:
            self._keep()
            kept = self._keeping.get()
        if kept is None:
            raise LoginRefusedError(f"nobody has signed in for {self._name} yet", advice=self.advice)
        return kept

    def _keep(self) -> None:
        if self._keeping and self._unkept:
            self._keeping.store(self._unkept[1])
            self._unkept = None

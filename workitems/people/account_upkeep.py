"""Keeps users and keys the same in Redis and beside the mail: after a loss of Redis nobody has to add them again."""

from workitems.base.errors import StoreUnavailableError
from workitems.base.log import get_logger
from workitems.base.service_loop import run_service_loop
from workitems.people.accounts import Accounts

log = get_logger("accounts")

#: Seconds between two comparisons. A change that did not reach Redis has its effect by then.
CHECK_SECONDS = 5.0


class AccountUpkeep:
    """The comparisons of one process. All servers and workers may do it at once.

    A server may run where the mail store is not mounted; a worker always has it.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._is_failing = False

    async def run(self) -> None:
        """Compare again and again, until cancelled."""
        await run_service_loop(
            self.compare_once,
            seconds=CHECK_SECONDS,
            waits="users and keys wait",
            failed="users and keys could not be compared",
            log=log,
        )

    async def compare_once(self) -> None:
        """Compare Redis with the mail store; log why when that begins to fail."""
        try:
            await self._accounts.compare()
        except StoreUnavailableError as error:
            if not self._is_failing:
                log.warning("users and keys are not compared with the mail store", reason=str(error))
            self._is_failing = True
            raise
        self._is_failing = False

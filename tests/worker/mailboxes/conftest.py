from collections.abc import Iterator
from functools import partial

import pytest
from tornado.ioloop import IOLoop

from tests.worker.mailboxes.poller_bench import PollerBench
from worker.imap import Timeouts, connect
from worker.imap import connection as imap_connection
from worker.mailboxes import connections, fetcher, folder_session
from workitems.base.redis import RedisClient
from workitems.intake.put import Intake

#: Long enough for a busy machine; `quick` is for servers that end no answer.
LONG = Timeouts(logout=0.2)
QUICK = Timeouts(fetch=0.6, read=0.4, logout=0.2)


@pytest.fixture
def bench(
    redis: RedisClient, intake: Intake, monkeypatch: pytest.MonkeyPatch, io_loop: IOLoop
) -> Iterator[PollerBench]:
    monkeypatch.setattr(fetcher, "RETRY_DELAYS", (0.01, 0.02))
    monkeypatch.setattr(connections, "connect", partial(connect, timeouts=LONG))
    monkeypatch.setattr(folder_session, "REPLICA_LAG_SECONDS", 0.01)
    monkeypatch.setattr(imap_connection, "MIN_BYTES_PER_SECOND", 10**9)
    bench = PollerBench(redis, intake)
    yield bench
    for poller in bench.pollers:
        io_loop.run_sync(partial(poller.stop, 1))


@pytest.fixture
def quick(bench: PollerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up a FETCH that does not end after half a second."""
    monkeypatch.setattr(connections, "connect", partial(connect, timeouts=QUICK))

"""The fixture of tests that run whole readers."""

from collections.abc import Callable

import pytest

from tests.worker.publishing.reader_harness import ReaderHarness
from workitems.base.redis import RedisClient
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore


@pytest.fixture
def harness(
    make_redis: Callable[..., RedisClient], intake: Intake, redis: RedisClient, mailstore: MailStore
) -> ReaderHarness:
    return ReaderHarness(redis, make_redis(blocking=True), intake, mailstore)

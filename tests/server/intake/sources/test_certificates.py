"""Certificates of SNS are fetched for anybody, and no stranger can keep SNS itself from being heard."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from server.intake.sources import certificates, pinned_https
from server.intake.sources.certificate_store import MAX_STORED, CertificateStore
from server.intake.sources.certificates import LANE, MAX_CERTIFICATES, UNPROVEN_SECONDS, Certificates
from server.intake.sources.pinned_https import SnsUnreachableError
from server.intake.sources.signature import read_expiry
from tests.support.fake_sns import CERTIFICATE_PATH, CERTIFICATE_URL, HOST, Sns, certificate, new_key, serving
from tests.support.waiting import eventually
from workitems.base import keys
from workitems.base.errors import StoreUnavailableError
from workitems.base.redis import RedisClient, connect

SNS, STRANGER = "198.51.100.1", "203.0.113.1"


@pytest.fixture
def server(io_loop: IOLoop, tmp_path: Path) -> Iterator[Sns]:
    with serving(tmp_path) as server:
        yield server
        server.answering.set()


class Store(Certificates):
    """Certificates of *server*, with a clock that stands still."""

    def __init__(self, server: Sns, stored: CertificateStore | None = None) -> None:
        self.now = 0.0
        self.server = server
        super().__init__(server.pinned(), stored, lambda: self.now)

    async def fetch(self, n: int, address: str) -> bytes:
        """Get certificate number *n*, which the server has."""
        path = f"/SimpleNotificationService-{n:032x}.pem"
        self.server.answers[path] = self.server.answers[CERTIFICATE_PATH]
        return await self.get(f"https://{HOST}{path}", address)

    async def verified(self, address: str = SNS) -> bytes:
        """Get the certificate of SNS, with which a message from *address* was verified."""
        certificate = await self.get(CERTIFICATE_URL, address)
        await self.keep(CERTIFICATE_URL, certificate, address)
        return certificate


async def test_a_certificate_is_fetched_once_for_many_callers(server: Sns) -> None:
    store = Store(server)
    found = await asyncio.gather(*(store.get(CERTIFICATE_URL, f"192.0.2.{n}") for n in range(50)))
    assert set(found) == {server.answers[CERTIFICATE_PATH][1]}
    assert server.asked == [CERTIFICATE_PATH]


async def test_a_certificate_that_verified_a_message_stays_whatever_strangers_name(server: Sns) -> None:
    store = Store(server)
    await store.verified()
    for n in range(3 * MAX_CERTIFICATES):
        store.now += 60  # so that no budget is in the way
        await store.fetch(n, f"203.0.113.{n}")
    store.now += 10 * UNPROVEN_SECONDS
    await store.get(CERTIFICATE_URL, STRANGER)
    assert server.asked.count(CERTIFICATE_PATH) == 1


async def test_a_certificate_that_verified_nothing_is_fetched_again_after_a_while(server: Sns) -> None:
    store = Store(server)
    for seconds in (0, UNPROVEN_SECONDS - 1, 2):
        store.now += seconds
        await store.get(CERTIFICATE_URL, STRANGER)
    assert server.asked == [CERTIFICATE_PATH] * 2


async def test_a_network_that_names_many_certificates_uses_up_its_own_fetches_only(server: Sns) -> None:
    store = Store(server)
    for n in range(5):
        await store.fetch(n, STRANGER)
    with pytest.raises(SnsUnreachableError, match="too many certificates of SNS were named"):
        await store.fetch(5, STRANGER)
    await store.fetch(6, SNS)
    store.now += 20
    await store.fetch(5, STRANGER)


async def test_many_networks_together_use_up_nothing_of_networks_that_sns_posted_from(server: Sns) -> None:
    store = Store(server)
    await store.verified()
    refused = 0
    for n in range(100):
        try:
            await store.fetch(n, f"203.0.113.{n}")
        except SnsUnreachableError:
            refused += 1
    assert refused == 81  # 20 at once; the first one of SNS was a stranger's, too
    await store.fetch(200, SNS)  # SNS has a new certificate
    store.now += 3
    await store.fetch(201, "203.0.113.201")


async def test_no_request_waits_behind_fetches_of_strangers(server: Sns, monkeypatch: Any) -> None:
    monkeypatch.setattr(certificates, "MAX_WAIT", 0.05)
    store = Store(server)
    await store.verified()
    server.answering.clear()
    slow = [asyncio.create_task(store.fetch(n, f"203.0.113.{n}")) for n in range(LANE)]
    await eventually(lambda: len(server.asked) == 1 + LANE)
    with pytest.raises(SnsUnreachableError, match="being fetched"):
        await store.fetch(50, "203.0.113.50")
    assert await store.get(CERTIFICATE_URL, STRANGER)  # from the cache
    known = asyncio.create_task(store.fetch(60, SNS))
    await eventually(lambda: len(server.asked) == 2 + LANE)  # a place of its own
    server.answering.set()
    assert await known == server.answers[CERTIFICATE_PATH][1]
    await asyncio.gather(*slow)


async def test_callers_that_wait_for_a_fetch_learn_at_once_that_it_was_given_up(server: Sns) -> None:
    store = Store(server)
    server.answering.clear()
    first = asyncio.create_task(store.get(CERTIFICATE_URL, STRANGER))
    await eventually(lambda: len(server.asked) == 1)
    second = asyncio.create_task(store.get(CERTIFICATE_URL, SNS))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(SnsUnreachableError, match="another fetch"):
        await second
    server.answering.set()
    assert await store.get(CERTIFICATE_URL, SNS)


@pytest.mark.parametrize(
    "answer",
    [(302, CERTIFICATE_URL.encode()), (404, b""), (500, b""), (200, b"x" * (pinned_https.MAX_ANSWER + 1)),
     (200, b"<html>We are sorry"), (200, b"")],
)  # fmt: skip
async def test_an_answer_without_a_certificate_is_not_cached(server: Sns, answer: tuple[int, bytes]) -> None:
    store = Store(server)
    good, server.answers[CERTIFICATE_PATH] = server.answers[CERTIFICATE_PATH], answer
    with pytest.raises(SnsUnreachableError):
        await store.get(CERTIFICATE_URL, SNS)
    assert server.asked == [CERTIFICATE_PATH]
    server.answers[CERTIFICATE_PATH] = good
    assert await store.get(CERTIFICATE_URL, SNS) == good[1]


async def test_a_server_with_another_name_is_refused(io_loop: IOLoop, tmp_path: Path) -> None:
    with serving(tmp_path, "sns.example.com") as server:
        with pytest.raises(SnsUnreachableError):
            await Store(server).get(CERTIFICATE_URL, SNS)
        assert server.asked == []


async def test_a_silent_server_is_given_up(server: Sns, monkeypatch: Any) -> None:
    monkeypatch.setattr(pinned_https, "TIMEOUT", 0.2)
    monkeypatch.setattr(pinned_https, "CONNECT_TIMEOUT", 0.2)
    store = Store(server)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server.mapping[HOST, 443] = silent.getsockname()
        with pytest.raises(SnsUnreachableError):
            await store.get(CERTIFICATE_URL, SNS)


async def test_a_signed_message_that_is_posted_again_and_again_confirms_within_bounds(server: Sns) -> None:
    pinned = server.pinned()
    for _ in range(20):
        await pinned.confirm_subscription(f"https://{HOST}/?Action=ConfirmSubscription")
    with pytest.raises(SnsUnreachableError, match="too many subscriptions"):
        await pinned.confirm_subscription(f"https://{HOST}/?Action=ConfirmSubscription")


# --- after a restart ------------------------------------------------------------------------------------------------


class Clock:
    """Seconds since 1970, which stand still."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def redis(io_loop: IOLoop, redis_url: str) -> Iterator[RedisClient]:
    async def make() -> RedisClient:
        return connect(redis_url, timeout=5)

    redis = io_loop.run_sync(make)
    yield redis
    io_loop.run_sync(redis.aclose)


async def use_up_the_fetches_of_strangers(store: Store) -> None:
    refused = 0
    for n in range(30):
        with suppress(SnsUnreachableError):
            await store.fetch(n, f"203.0.113.{n}")
            continue
        refused += 1
    assert refused == 10


async def test_strangers_keep_nothing_of_sns_out_of_a_process_that_has_just_started(
    server: Sns, redis: RedisClient
) -> None:
    await Store(server, CertificateStore(redis, read_expiry)).verified()
    started = Store(server, CertificateStore(redis, read_expiry))
    await use_up_the_fetches_of_strangers(started)
    with pytest.raises(SnsUnreachableError):
        await started.fetch(500, SNS)
    assert await started.verified() == server.answers[CERTIFICATE_PATH][1]
    assert server.asked.count(CERTIFICATE_PATH) == 1
    await started.fetch(500, SNS)  # its network is known from now on


async def test_a_certificate_that_verified_nothing_is_not_stored(server: Sns, redis: RedisClient) -> None:
    store = Store(server, CertificateStore(redis, read_expiry))
    for n in range(5):
        await store.fetch(n, STRANGER)
    assert not await redis.exists(keys.CERTIFICATES)


async def test_a_stored_certificate_is_forgotten_when_it_expires(redis: RedisClient) -> None:
    clock = Clock()
    store = CertificateStore(redis, read_expiry, clock)
    pem = certificate(new_key(), HOST, days=30)
    await store.put(CERTIFICATE_URL, pem)
    assert await store.get(CERTIFICATE_URL) == pem
    assert await store.get(CERTIFICATE_URL + "x") is None
    assert await redis.expiretime(keys.CERTIFICATES) == int(read_expiry(pem))
    clock.now = read_expiry(pem)
    assert await store.get(CERTIFICATE_URL) is None
    await store.put(CERTIFICATE_URL + "x", certificate(new_key(), HOST, days=60))
    assert await redis.hkeys(keys.CERTIFICATES) == [f"{CERTIFICATE_URL}x".encode()]


async def test_only_so_many_certificates_are_stored_and_those_that_are_valid_longest_stay(redis: RedisClient) -> None:
    ends = {f"https://{HOST}/{n}".encode(): time.time() + 3600 + n for n in range(MAX_STORED + 2)}
    store = CertificateStore(redis, lambda pem: ends[pem], lambda: 0.0)
    for url in ends:
        await store.put(url.decode(), url)
    assert set(await redis.hkeys(keys.CERTIFICATES)) == set(list(ends)[2:])
    await store.put(next(iter(ends)).decode(), next(iter(ends)))
    assert await redis.hlen(keys.CERTIFICATES) == MAX_STORED


async def test_what_is_damaged_in_the_store_is_fetched_again(server: Sns, redis: RedisClient) -> None:
    await redis.hset(keys.CERTIFICATES, CERTIFICATE_URL, "no certificate")
    store = Store(server, CertificateStore(redis, read_expiry))
    assert await store.verified() == server.answers[CERTIFICATE_PATH][1]
    assert await redis.hget(keys.CERTIFICATES, CERTIFICATE_URL) == server.answers[CERTIFICATE_PATH][1]


async def test_while_redis_is_away_no_certificate_is_kept_and_the_message_may_be_retried(
    server: Sns, redis: RedisClient, monkeypatch: Any
) -> None:
    stored = CertificateStore(redis, read_expiry)
    store = Store(server, stored)

    async def away(*_: Any) -> None:
        raise StoreUnavailableError

    with monkeypatch.context() as patch:
        patch.setattr(stored, "put", away)
        with pytest.raises(StoreUnavailableError):
            await store.verified()
    await store.verified()
    assert await stored.get(CERTIFICATE_URL)

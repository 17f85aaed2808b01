"""Answers of Redis are used again for some seconds, and for longer while Redis does not answer."""

import asyncio

import pytest

from workitems.base import ttl_cache
from workitems.base.errors import StoreUnavailableError
from workitems.base.ttl_cache import FRESH_SECONDS, MAX_STALE_SECONDS, RETRY_SECONDS, TtlCache


class Redis:
    """Answers as the test says; `asked` counts the questions."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.answer = "first"
        self.is_away = self.hangs = False
        self.asked = 0
        self.cache: TtlCache[str] = TtlCache(lambda: self.now)

    async def get(self) -> str | None:
        return await self.cache.get("name", self._load)

    async def _load(self) -> str:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailableError
        if self.hangs:
            await asyncio.Event().wait()
        return self.answer


async def test_an_answer_is_used_again_while_it_is_fresh() -> None:
    redis = Redis()
    assert await redis.get() == "first"
    redis.answer = "second"
    redis.now += FRESH_SECONDS - 1
    assert await redis.get() == "first"
    redis.now += 1
    assert await redis.get() == "second"
    redis.answer = "third"
    redis.cache.invalidate("name")
    assert await redis.get() == "third"


async def test_the_last_answer_counts_for_an_hour_while_redis_is_away() -> None:
    redis = Redis()
    await redis.get()
    redis.is_away = True
    redis.now += MAX_STALE_SECONDS - 1
    assert await redis.get() == "first"
    redis.now += 1
    with pytest.raises(StoreUnavailableError):
        await redis.get()


async def test_nobody_waits_long_for_a_redis_that_hangs_while_there_is_an_older_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ttl_cache, "PATIENCE_SECONDS", 0.01)
    redis = Redis()
    await redis.get()
    redis.hangs, redis.answer = True, "second"
    redis.now += FRESH_SECONDS
    assert await redis.get() == "first"
    assert await redis.get() == "first"
    assert redis.asked == 2, "it is not asked again at once"
    redis.hangs = False
    redis.now += RETRY_SECONDS
    assert await redis.get() == "second"


class Store:
    """Knows some names, and counts how often it is asked."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.asked = 0
        self.is_away = False
        self.now = 0.0
        self.cache: TtlCache[str] = TtlCache(lambda: self.now)

    async def get(self, name: str) -> str | None:
        return await self.cache.get(name, lambda: self._load(name))

    async def _load(self, name: str) -> str | None:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailableError
        return name if name in self.names else None


async def test_made_up_names_drop_no_answer_and_stay_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ttl_cache, "MAX_ENTRIES", 2)
    monkeypatch.setattr(ttl_cache, "MAX_UNKNOWN", 3)
    store = Store("ada", "bob", "eve")
    await store.get("ada")
    for n in range(100):
        await store.get(str(n))
    asked = store.asked
    assert [await store.get(name) for name in ("ada", "97", "98", "99")] == ["ada", None, None, None]
    assert store.asked == asked
    for name in ("bob", "eve", "96", "ada"):  # dropped, or new
        await store.get(name)
    assert store.asked == asked + 4

"""A server process and a worker process on one Redis, for tests that take that Redis away or make it refuse."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from tests.faults.conftest import TOKEN
from tests.faults.worker_harness import make_mail
from tests.support.program import Program
from workitems.intake.identity import item_id

#: Seconds for anything that a test waits for.
PATIENCE = 60.0


class Installation:
    """The processes below *folder*; `async with` stops them at its end."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        settings = f"""
data = "{folder / "var"}"
token = "{TOKEN}"
[redis]
url = "{redis_url}"
timeout_seconds = 2
[worker]
reading_children = 1
"""
        self.programs = []
        for verb in ("server", "worker"):
            (folder / verb).mkdir()
            self.programs.append(Program(verb, folder / verb, settings))
        self.server, self.worker = self.programs
        #: The ids of all mail that was accepted, and how many posts were refused.
        self.accepted: set[str] = set()
        self.refused = 0
        #: The ids of all mail. One that was refused may be in the mail store, and become an item nevertheless.
        self._posted: list[str] = []

    async def __aenter__(self) -> "Installation":
        for program in self.programs:
            program.start()
        await asyncio.to_thread(self.server.until_logged, "event=listening")
        return self

    async def __aexit__(self, *_: object) -> None:
        for program in self.programs:
            await asyncio.to_thread(program.stop)

    async def post(self) -> bool:
        """Post the next mail. Return whether it was accepted; a refusal must be 503."""
        mail = make_mail(len(self._posted))
        self._posted.append(item_id("intake", mail))
        answer = await self._fetch("/api/email/intake", method="POST", body=mail)
        if answer.code == 202:
            self.accepted.add(orjson.loads(answer.body)["workitem_id"])
            return True
        assert answer.code == 503, answer.body
        self.refused += 1
        return False

    async def stats(self) -> dict[str, Any]:
        answer = await self._fetch("/api/stats")
        assert answer.code == 200, answer.body
        found: dict[str, Any] = orjson.loads(answer.body)
        return found

    async def until_available(self) -> None:
        """Wait until the server says that its store is available."""
        await self._until(True, "")

    async def until_unavailable(self, reason: str) -> None:
        """Wait until the server says that its store is not available, and why."""
        await self._until(False, reason)

    async def until_published(self) -> None:
        """Wait until every accepted mail is an item, and see that each item is one of the posted mails."""
        async with asyncio.timeout(PATIENCE):
            while not self.accepted <= (items := await self._items()):
                self.assert_alive()
                await asyncio.sleep(0.1)
        assert items <= set(self._posted)

    async def until_worker_logs(self, *words: str) -> None:
        """Wait until one line of the worker's log has all *words*."""
        async with asyncio.timeout(PATIENCE):
            while not any(all(word in line for word in words) for line in self.worker.log.read_text().splitlines()):
                self.assert_alive()
                await asyncio.sleep(0.05)

    def assert_alive(self) -> None:
        for program in self.programs:
            assert not program.ended, program.log.read_text()[-2000:]

    async def _until(self, is_available: bool, reason: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                self.assert_alive()
                stats = await self.stats()
                if stats["store_available"] is is_available and reason in stats["store_reason"]:
                    return
                await asyncio.sleep(0.05)

    async def _items(self) -> set[str]:
        found, before = set[str](), ""
        while True:
            answer = await self._fetch(f"/api/workitems?limit=200{before}")
            if answer.code != 200:
                return set()
            page = orjson.loads(answer.body)
            found |= {item["id"] for item in page["items"]}
            if not page["next"]:
                return found
            before = f"&before={page['next']}"

    async def _fetch(self, path: str, **how: Any) -> HTTPResponse:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "message/rfc822"}
        url = f"http://127.0.0.1:{self.server.port}{path}"
        return await AsyncHTTPClient().fetch(url, raise_error=False, headers=headers, request_timeout=PATIENCE, **how)

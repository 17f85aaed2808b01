"""The drill: an installation under load is backed up, killed, and restored in an empty place."""

import asyncio
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.faults.worker_harness import make_mail
from tests.support.program import PROJECT, Program
from tests.support.redis_server import RedisServer
from tests.support.sse_client import EventStream
from tests.support.waiting import eventually
from workitems.base import keys
from workitems.settings import Settings

TOKEN = "a-token-for-the-drill"

#: Posters at once, and acknowledged mails before the backup begins.
POSTERS, BEFORE = 4, 60

#: Seconds between two mails of a poster. Without them thousands come during a backup, which only takes longer to check.
BETWEEN_POSTS = 0.05

#: Items that people change.
CHANGED = 3

#: Seconds until everything is read on a machine whose cores are busy.
PATIENCE = 120.0


class Installation:
    """Redis, a worker and a server on one data folder; *url* names another Redis than the embedded one."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        folder.mkdir()
        self.folder = folder
        self.settings = Settings.model_validate({"data": folder / "var", "redis": {"url": url} if url else {}})
        text = f'data = "{folder}/var"\ntoken = "{TOKEN}"\n' + (f'[redis]\nurl = "{url}"\n' if url else "")
        verbs = ("server", "worker") if url else ("redis", "server", "worker")
        self.programs = {verb: Program(verb, folder, text) for verb in verbs}
        self.config = folder / "server.toml"

    def start(self) -> "Installation":
        for verb, program in self.programs.items():
            program.start()
            if verb == "redis":
                program.until_logged("Ready to accept connections")
        self.programs["server"].ready()
        return self

    def kill(self) -> None:
        for program in self.programs.values():
            if program.process is not None:
                program.kill()

    def run(self, *words: str) -> str:
        """Run a command of `run.py`; return what it prints."""
        done = self.attempt(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def attempt(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(PROJECT / "run.py"), *words], env={"TUBEPOST_CONFIG": str(self.config)},
            cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip

    @property
    def port(self) -> int:
        return self.programs["server"].port

    def redis(self) -> Any:
        return Redis.from_url(self.settings.redis_url, protocol=2)

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        """Return the JSON answer of the server. Raises OSError."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, method=method)
        for name, value in {"Authorization": f"Bearer {TOKEN}", **headers}.items():
            request.add_header(name.replace("_", "-"), value)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def items(self) -> list[dict[str, Any]]:
        found, before = [], ""
        while True:
            page = self.call("GET", f"/api/workitems?limit=200{before}")
            found += page["items"]
            if not page["next"]:
                return found
            before = f"&before={page['next']}"


class Posters:
    """Threads that post mails, each another one, and record which were acknowledged."""

    def __init__(self, installation: Installation) -> None:
        self.acknowledged: dict[str, str] = {}
        self._installation = installation
        self._numbers = iter(range(1_000_000))
        self._lock, self._end = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._post) for _ in range(POSTERS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _post(self) -> None:
        while not self._end.is_set():
            with self._lock:
                number = next(self._numbers)
            with suppress(OSError):
                answer = self._installation.call(
                    "POST", "/api/email/intake?mailbox=desk", make_mail(number), Content_Type="message/rfc822"
                )
                self.acknowledged[answer["workitem_id"]] = f"Letter {number}"
            self._end.wait(BETWEEN_POSTS)


@pytest.fixture
def make_installation(tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    made: list[Installation] = []

    def make(name: str, url: str | None = None) -> Installation:
        made.append(Installation(tmp_path / name, url))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture(params=["embedded", "redis.url"])
def urls(request: pytest.FixtureRequest) -> Iterator[tuple[str | None, str | None]]:
    """The addresses of the old and the new Redis."""
    if request.param == "embedded":
        yield None, None
        return
    servers = RedisServer().start(), RedisServer().start()
    yield servers[0].url, servers[1].url
    for server in servers:
        server.stop()


@pytest.mark.timeout(400)
async def test_a_backup_under_load_brings_back_all_that_was_acknowledged_before_it_each_once_and_whole(
    make_installation: Callable[..., Installation], urls: tuple[str | None, str | None], tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    old = await asyncio.to_thread(make_installation("old", urls[0]).start)
    posters = Posters(old)
    try:
        await eventually(lambda: len(posters.acknowledged) >= BEFORE, PATIENCE)
        with old.redis() as client:
            await eventually(lambda: client.zcard(keys.items()) >= CHANGED, PATIENCE)
        changed = await asyncio.to_thread(change_some, old)
        async with EventStream(old.port, TOKEN) as stream:
            await stream.next("new_workitem", within=PATIENCE)
            cursor = stream.last_event_id
        await asyncio.to_thread(old.run, "backup", str(backup))
        before = dict(posters.acknowledged)
        said = await asyncio.to_thread(old.run, "backup", str(backup))
        assert len(posters.acknowledged) > len(before), "for this test to mean anything"
    finally:
        old.kill()
        await asyncio.to_thread(posters.stop)
    assert "is complete" in said
    assert "WARNING" not in said

    new = make_installation("new", urls[1])
    assert "is whole" in await asyncio.to_thread(new.run, "backup", "--verify", str(backup))
    assert "Restored as of" in await asyncio.to_thread(new.run, "restore", str(backup))
    await asyncio.to_thread(new.start)
    with new.redis() as client:
        await eventually(lambda: client.exists(keys.REPAIRED) and not client.xlen(keys.INTAKE), PATIENCE)
    items = await asyncio.to_thread(new.items)

    subjects = Counter(item["subject"] for item in items)
    assert not before.keys() - {item["id"] for item in items}, "lost"
    assert not {subject: times for subject, times in subjects.items() if times > 1}, "doubled"
    assert not [item["id"] for item in items if item["flags"] or not item["subject"].startswith("Letter ")], "empty"
    assert subjects.keys() >= set(before.values())
    references = [item["submission_ref"] for item in items]
    assert len(set(references)) == len(references)
    for item_id, item in changed.items():
        assert (item["status"], item["assignee"]) == ("waiting", "ada")
        assert await asyncio.to_thread(new.call, "GET", f"/api/workitems/{item_id}") == item
    async with EventStream(new.port, TOKEN, headers={"Last-Event-ID": cursor}) as stream:
        await stream.next("reset", within=PATIENCE)
    again = await asyncio.to_thread(new.attempt, "restore", str(backup))
    assert again.returncode == 2
    assert "is not empty" in again.stderr or "is in use by" in again.stderr
    assert await asyncio.to_thread(new.items) == items


def change_some(installation: Installation) -> dict[str, Any]:
    """Set status, assignee and a field of some items, as people do; return each by its id."""
    changed = {}
    for item in installation.items()[:CHANGED]:
        body = {"status": "waiting", "assignee": "ada", "fields": {"policy_number": "ZZ-99999"}}
        path = f"/api/workitems/{item['id']}"
        installation.call("PATCH", path, json.dumps(body).encode(), If_Match=f'"{item["version"]}"')
        changed[item["id"]] = installation.call("GET", path)
    return changed

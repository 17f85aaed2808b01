"""Redis loses everything, or a command is killed in the middle of a change: users and keys stay as they were."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.support.program import PROJECT, Program
from tests.support.redis_server import RedisServer
from tests.support.sign_in import Browser, caller_of_key
from workitems.base import keys
from workitems.base.redis import connect
from workitems.mailstore.store import MailStore
from workitems.recovery.durable_state import DurableState

Start = Callable[..., Program]

PASSWORD = "a long password"

#: Seconds until a condition must hold.
PATIENCE = 60.0


class Operator:
    """Types `run.py user` and `run.py key` on the machine of the servers."""

    def __init__(self, redis_url: str, data: Path, folder: Path) -> None:
        self.folder = folder
        self.file = data / "mail" / ".tubepost" / "users"
        self._settings = {"TUBEPOST_REDIS__URL": redis_url, "TUBEPOST_DATA": str(data)}

    def run(self, *words: str, failpoint: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(PROJECT / "run.py"), *words],
            input=f"{PASSWORD}\n",
            env={"PATH": os.environ["PATH"], **self._settings, "TUBEPOST_FAILPOINT": failpoint},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def add_key(self, name: str) -> str:
        printed = self.run("key", "add", name).stdout
        return next(line.strip() for line in printed.splitlines() if line.strip().startswith("tp_"))


@pytest.fixture
def operator(own_redis: RedisServer, tmp_path: Path) -> Operator:
    asyncio.run(make_store(own_redis.url, tmp_path / "var" / "mail"))
    return Operator(own_redis.url, tmp_path / "var", tmp_path)


async def make_store(redis_url: str, folder: Path) -> None:
    """Make the mail store, as the first start of a worker does."""
    redis, mailstore = connect(redis_url), MailStore(folder)
    await DurableState(redis, mailstore, max_events=1000).reconcile()
    mailstore.close()
    await redis.aclose()


def until(holds: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def may_sign_in(server: Program, name: str) -> bool:
    return Browser(server.port).sign_in(name, PASSWORD)


def in_redis(server: RedisServer) -> list[str]:
    """Return the names of the users that Redis has."""
    with Redis.from_url(server.url) as client:
        return sorted(name.decode() for name in client.hkeys(keys.USERS) if name)


def test_after_a_loss_of_redis_people_sign_in_keys_work_and_who_was_removed_stays_removed(
    own_redis: RedisServer, start_server: Start, operator: Operator
) -> None:
    server = start_server()
    for name in ("ada", "bob"):
        assert operator.run("user", "add", name).returncode == 0
    board, scanner = operator.add_key("board"), operator.add_key("scanner")
    assert operator.run("user", "remove", "bob").returncode == 0
    assert operator.run("key", "remove", "scanner").returncode == 0
    ada = Browser(server.port)
    assert ada.sign_in("ada", PASSWORD)
    server.stop()

    own_redis.lose_everything()
    fresh = start_server()
    assert ada.caller(fresh.port) == "ada", "the session is still valid"
    assert may_sign_in(fresh, "ada")
    assert caller_of_key(fresh.port, board) == "key:board"
    assert not may_sign_in(fresh, "bob")
    assert caller_of_key(fresh.port, scanner) == ""
    assert operator.run("user", "list").stdout == "ada\tagent\n"
    for log in (server.log, fresh.log):
        assert PASSWORD not in log.read_text()
        assert "argon2" not in log.read_text()


def test_a_server_that_runs_while_redis_loses_everything_ends_no_session(
    own_redis: RedisServer, start_server: Start, operator: Operator
) -> None:
    server = start_server()
    operator.run("user", "add", "ada")
    ada = Browser(server.port)
    assert ada.sign_in("ada", PASSWORD)
    own_redis.lose_everything()
    assert ada.caller() == "ada"
    assert may_sign_in(server, "ada")


def test_users_that_only_redis_has_are_stored_at_the_first_start_of_this_version(
    own_redis: RedisServer, start_server: Start, operator: Operator
) -> None:
    server = start_server()
    operator.run("user", "add", "ada")
    board = operator.add_key("board")
    server.stop()
    with Redis.from_url(own_redis.url) as client:  # as the version before left it
        client.hdel(keys.USERS, "")
        client.hdel(keys.API_KEYS, "")
    for name in ("users", "keys"):
        operator.file.with_name(name).unlink()
    upgraded = start_server()
    until(operator.file.with_name("keys").exists, "users and keys are stored without any action")
    assert may_sign_in(upgraded, "ada")
    upgraded.stop()
    own_redis.lose_everything()
    fresh = start_server()
    assert may_sign_in(fresh, "ada")
    assert caller_of_key(fresh.port, board) == "key:board"


@pytest.mark.parametrize(("failpoint", "is_done"), [("rename", False), ("records", True)])
def test_a_command_killed_in_the_middle_leaves_the_old_or_the_new_state(
    failpoint: str, is_done: bool, own_redis: RedisServer, start_server: Start, operator: Operator
) -> None:
    server = start_server()
    for name in ("ada", "bob"):
        operator.run("user", "add", name)
    assert may_sign_in(server, "bob")
    assert operator.run("user", "remove", "bob", failpoint=failpoint).returncode == -9, "the failpoint was reached"
    assert sorted(json.loads(operator.file.read_text())["records"]) == (["ada"] if is_done else ["ada", "bob"])
    if is_done:
        until(lambda: in_redis(own_redis) == ["ada"], "the running server takes the change over")
        assert not may_sign_in(server, "bob")
    assert operator.run("user", "add", "cyd").returncode == 0
    assert not list(operator.file.parent.glob("*.part"))
    server.stop()
    own_redis.lose_everything()
    fresh = start_server()
    assert may_sign_in(fresh, "bob") is not is_done
    assert may_sign_in(fresh, "ada")
    assert may_sign_in(fresh, "cyd")


def test_a_server_without_the_mail_store_gets_its_users_back_by_a_worker(
    own_redis: RedisServer, operator: Operator, tmp_path: Path
) -> None:
    operator.run("user", "add", "ada")
    server, worker = (
        Program(verb, tmp_path, f'data = "{tmp_path / data}"\n[redis]\nurl = "{own_redis.url}"\n')
        for verb, data in (("server", "elsewhere"), ("worker", "var"))
    )
    try:
        server.start().until_logged("event=listening")
        ada = Browser(server.port)
        assert ada.sign_in("ada", PASSWORD)
        own_redis.lose_everything()
        worker.start()
        until(lambda: in_redis(own_redis) == ["ada"], "the worker loads the users")
        assert may_sign_in(server, "ada")
        assert ada.caller() == "ada"
    finally:
        worker.stop()
        server.stop()


def test_a_machine_without_the_mail_store_is_refused_and_changes_nothing(
    own_redis: RedisServer, operator: Operator, tmp_path: Path
) -> None:
    operator.run("user", "add", "ada")
    other = Operator(own_redis.url, tmp_path / "elsewhere", tmp_path)
    for words in (("user", "add", "bob"), ("user", "remove", "ada"), ("key", "add", "board")):
        answer = other.run(*words)
        assert answer.returncode == 2
        assert "mount its disk" in answer.stderr
        assert "redis.url" not in answer.stderr, "Redis is not what is wrong"
    listed = other.run("user", "list")
    assert listed.stdout == "ada\tagent\n"
    assert "Only Redis was read" in listed.stderr
    assert not (tmp_path / "elsewhere").exists()

"""`run.py user` and `run.py key`, called as an operator calls them."""

import subprocess
import sys
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from server.access.authentication import Authenticator
from tests.support.accounts import opened_accounts
from tests.support.program import PROJECT
from workitems.base.redis import RedisClient


def run(redis_url: str, folder: Path, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"TUBEPOST_REDIS__URL": redis_url, "TUBEPOST_DATA": str(folder)}
    command = [sys.executable, str(PROJECT / "run.py"), *words]
    return subprocess.run(
        command, input=typed, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


async def test_an_added_user_can_sign_in_and_a_removed_one_cannot(
    redis_url: str, redis: RedisClient, tmp_path: Path
) -> None:
    with opened_accounts(redis, tmp_path, hasher=PasswordHasher()) as accounts:
        added = run(redis_url, tmp_path, "user", "add", "ana", "--role", "viewer", typed="a long password\n")
        auth = Authenticator(accounts, secret=b"s" * 32, token=None, session_days=1)
        assert added.returncode == 0
        assert "ana may sign in now" in added.stdout
        assert await auth.sign_in("ana", "a long password")
        assert run(redis_url, tmp_path, "user", "list").stdout == "ana\tviewer\n"
        assert run(redis_url, tmp_path, "user", "remove", "ana").returncode == 0
        assert await auth.sign_in("ana", "a long password") is None


async def test_a_key_is_shown_once_and_works(redis_url: str, redis: RedisClient, tmp_path: Path) -> None:
    with opened_accounts(redis, tmp_path) as accounts:
        added = run(redis_url, tmp_path, "key", "add", "crm", "--scopes", "read,intake")
        shown = next(line.strip() for line in added.stdout.splitlines() if line.strip().startswith("tp_"))
        key = await accounts.get_key(shown)
        assert key is not None
        assert key.scopes == {"read", "intake"}
        assert shown not in run(redis_url, tmp_path, "key", "list").stdout


@pytest.mark.parametrize("what", ["user", "key"])
def test_an_empty_list_says_so_beside_the_output(redis_url: str, tmp_path: Path, what: str) -> None:
    answer = run(redis_url, tmp_path, what, "list")
    assert (answer.returncode, answer.stdout) == (0, "")
    assert answer.stderr.endswith(f"There are no {what}s yet. `run.py {what} add NAME` adds one.\n")


@pytest.mark.parametrize(
    ("words", "typed", "error"),
    [
        (("user", "add", "ana"), "short\n", "8 to 512 characters"),
        (("user", "add", "a b"), "a long password\n", "is accepted"),
        (("user", "add"), "", "the name is missing"),
        (
            ("key", "add", "crm", "--scopes", "read,all"),
            "",
            "'all' is not a scope; accepted: read, write",
        ),
    ],
)
def test_a_wrong_argument_gives_an_error_message_without_a_trace(
    redis_url: str, tmp_path: Path, words: tuple[str, ...], typed: str, error: str
) -> None:
    answer = run(redis_url, tmp_path, *words, typed=typed)
    assert answer.returncode == 2
    assert error in answer.stderr
    assert "Traceback" not in answer.stderr

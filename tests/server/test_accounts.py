"""`run.py user` and `run.py key`, as an operator types them."""

import subprocess
import sys
from pathlib import Path

import pytest

from server.auth import Auth
from tests.support.program import PROJECT
from workitems.people import People
from workitems.redis import Client


def run(redis_url: str, folder: Path, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"TUBEPOST_REDIS__URL": redis_url, "TUBEPOST_DATA": str(folder)}
    command = [sys.executable, str(PROJECT / "run.py"), *words]
    return subprocess.run(
        command, input=typed, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


async def test_a_user_that_was_added_signs_in_and_a_removed_one_does_not(
    redis_url: str, redis: Client, tmp_path: Path
) -> None:
    added = run(redis_url, tmp_path, "user", "add", "ana", "--role", "viewer", typed="a long password\n")
    people = People(redis)
    auth = Auth(people, secret=b"s" * 32, token=None, session_days=1)
    assert added.returncode == 0
    assert "ana may sign in now" in added.stdout
    assert await auth.sign_in("ana", "a long password")
    assert run(redis_url, tmp_path, "user", "list").stdout == "ana\tviewer\n"
    assert run(redis_url, tmp_path, "user", "remove", "ana").returncode == 0
    assert await auth.sign_in("ana", "a long password") is None
    people.close()


async def test_a_key_is_shown_once_and_works(redis_url: str, redis: Client, tmp_path: Path) -> None:
    added = run(redis_url, tmp_path, "key", "add", "crm", "--scopes", "read,intake")
    shown = next(line.strip() for line in added.stdout.splitlines() if line.strip().startswith("tp_"))
    people = People(redis)
    key = await people.key(shown)
    assert key is not None
    assert key.scopes == {"read", "intake"}
    assert shown not in run(redis_url, tmp_path, "key", "list").stdout
    people.close()


@pytest.mark.parametrize(
    ("words", "typed", "told"),
    [
        (("user", "add", "ana"), "short\n", "8 to 512 characters"),
        (("user", "add", "a b"), "a long password\n", "is accepted"),
        (("user", "add"), "", "say whom"),
        (("key", "add", "crm", "--scopes", "everything"), "", "read, write, intake, test"),
    ],
)
def test_a_wrong_word_is_answered_by_one_sentence(
    redis_url: str, tmp_path: Path, words: tuple[str, ...], typed: str, told: str
) -> None:
    answer = run(redis_url, tmp_path, *words, typed=typed)
    assert answer.returncode == 2
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr

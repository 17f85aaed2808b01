"""`run.py check` on files: secrets that others can read, the disk of the data folder, and the columns of its output."""

import os
from pathlib import Path
from typing import Any

import pytest

from worker.commands.check import check
from worker.commands.check_files import check_disk, judge_disk
from worker.commands.check_report import ERROR, OK, CheckReport
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.settings.load import load_settings
from workitems.status.finding import Finding

SECRET = "hunter2-is-a-long-secret"


def write(path: Path, mode: int, text: str = SECRET) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


async def secrets_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: int, **environ: str) -> str:
    """Check the settings *text* in a file with *mode*. Return what is said of secrets."""
    file = write(tmp_path / "tubepost.toml", mode, f'data = "{tmp_path}/var"\n{text}')
    (tmp_path / "var").mkdir(exist_ok=True)
    monkeypatch.setenv("TUBEPOST_CONFIG", str(file))
    for name, value in environ.items():
        monkeypatch.setenv(f"TUBEPOST_{name}", value)
    said: list[str] = []
    await check(load_settings(os.environ), said.append)
    assert SECRET not in "\n".join(said)
    begin = next(n for n, line in enumerate(said) if line.startswith("secrets"))
    end = next(n for n, line in enumerate(said) if line.startswith("mailbox") and n > begin)
    return "\n".join(said[begin:end])


MAILBOX = '[mailboxes.desk]\nhost = "127.0.0.1"\nport = 1\nuser = "x"\n'


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (0o600, ""),
        (0o400, ""),
        (0o640, "can be read by its group (mode 640)"),
        (0o644, "can be read by all users (mode 644)"),
        (0o604, "can be read by all users (mode 604)"),
        (0o666, "can be changed by all users (mode 666)"),
        (0o660, "can be changed by its group (mode 660)"),
    ],
)
async def test_a_secret_file_that_others_can_use_is_a_warning_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, said: str
) -> None:
    file = write(tmp_path / "password", mode)
    printed = await secrets_of(tmp_path, monkeypatch, MAILBOX + f'password_file = "{file}"', 0o644)
    assert printed.startswith("secrets       ok       1 file with secrets")
    assert ("WARNING" in printed) == bool(said)
    assert not said or f"mailboxes.desk.password_file: {file} {said}." in printed
    assert not said or f"Run: chmod 600 {file}" in printed


async def test_every_setting_that_names_a_file_with_a_secret_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: write(tmp_path / name, 0o644) for name in ("a", "b", "c", "d", "e")}
    (tmp_path / "var").mkdir()
    write(tmp_path / "var/secret", 0o644)
    text = f"""
[redis]
url = "rediss://127.0.0.1:1?ssl_keyfile={files["a"]}"
[server]
cookie_secret_file = "{files["b"]}"
[sources.gun]
kind = "mailgun"
mailbox = "desk"
secret_file = "{files["c"]}"
[mailboxes.desk]
host = "127.0.0.1"
port = 1
user = "x"
auth = "microsoft"
client_id = "x"
client_secret_file = "{files["d"]}"
token_file = "{files["e"]}"
ca_file = "{write(tmp_path / "ca.pem", 0o644)}"
"""
    printed = await secrets_of(tmp_path, monkeypatch, text, 0o644)
    for name in (
        "redis.url: ssl_keyfile", "server.cookie_secret_file", "sources.gun.secret_file",
        "mailboxes.desk.client_secret_file", "mailboxes.desk.token_file", "the key that signs cookies",
    ):  # fmt: skip
        assert f"WARNING  {name}: " in printed
    assert printed.count("WARNING") == 6


async def test_the_file_of_the_settings_is_looked_at_if_it_has_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (
        MAILBOX + f'password = "{SECRET}"',
        f'token = "{SECRET}"\n',
        f'[redis]\nurl = "redis://:{SECRET}@127.0.0.1:1"',
    ):
        assert "the settings, which have secrets" in await secrets_of(tmp_path, monkeypatch, text, 0o644)
        assert "WARNING" not in await secrets_of(tmp_path, monkeypatch, text, 0o600)
    text = '[redis]\nurl = "redis://127.0.0.1:1"'
    assert "WARNING" not in await secrets_of(tmp_path, monkeypatch, text, 0o644, TOKEN=SECRET)


@pytest.mark.parametrize(
    ("free_bytes", "free_files", "is_error"),
    [
        (10**12, 10**6, None), (10**12, None, None), (10**9, 10**6, False), (10**7, 10**6, True),
        (10**12, 5_000, False), (10**12, 10, True), (0, None, True),
    ],
)  # fmt: skip
def test_a_disk_that_is_nearly_full_is_a_warning_and_a_full_one_an_error(
    free_bytes: int, free_files: int | None, is_error: bool | None
) -> None:
    found = judge_disk(free_bytes, free_files)
    assert [each.is_error for each in found] == ([] if is_error is None else [is_error])
    assert all("Free some space" in each.advice for each in found)


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_the_folder_above(tmp_path: Path) -> None:
    said, _ = check_disk(tmp_path / "a/b")
    assert "are free" in said


async def test_a_mail_store_that_cannot_be_written_is_an_error_with_its_cure(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("not a folder")
    settings: Any = load_settings({"TUBEPOST_DATA": str(tmp_path), "TUBEPOST_REDIS__URL": redis_url})
    said: list[str] = []
    assert not await check(settings, said.append)
    (line,) = [n for n, each in enumerate(said) if each.startswith("mail store")]
    assert f"ERROR    {tmp_path}/mail cannot be used: " in said[line]
    assert said[line + 1].endswith("  Check data: its disk, its owner.")


@pytest.mark.parametrize("command", [("SADD", keys.STORE, "x"), ("SET", keys.STORE, b"\xff")])
async def test_a_foreign_value_for_the_id_of_the_mail_store_does_not_end_the_report(
    redis: RedisClient, redis_url: str, tmp_path: Path, command: tuple[Any, ...]
) -> None:
    await redis.execute_command(*command)
    settings: Any = load_settings({"TUBEPOST_DATA": str(tmp_path), "TUBEPOST_REDIS__URL": redis_url})
    said: list[str] = []
    assert not await check(settings, said.append)
    (line,) = [n for n, each in enumerate(said) if each.startswith("mail store")]
    assert f"ERROR    {keys.STORE} in Redis, the id of the mail store, cannot be read: " in said[line]
    assert "  Something else wrote to this key: remove it" in said[line + 1]
    assert any(each.startswith("mailboxes") for each in said), "the report continues"


def test_what_is_printed_has_columns_and_a_sum() -> None:
    said: list[str] = []
    report = CheckReport(["Redis", "mailbox desk"], said.append)
    report.add_findings(
        "Redis", "reached", [Finding("a", "it is slow", "Wait."), Finding("b", "it is old", "Go.", True)]
    )
    report.add("mailbox desk", OK, "signed in", "two\nlines")
    report.add("mailbox", ERROR, "gone")
    assert not report.conclude()
    assert said == [
        "Redis         ok       reached",
        "Redis         ERROR    it is old.",
        "                       Go.",
        "Redis         WARNING  it is slow.",
        "                       Wait.",
        "mailbox desk  ok       signed in",
        "                       two",
        "                       lines",
        "mailbox       ERROR    gone",
        "\n2 errors, 1 warning.",
    ]

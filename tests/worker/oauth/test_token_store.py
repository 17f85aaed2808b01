"""The store of a refresh token: a file that only its owner may read, or a command."""

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from worker.imap import TokenUnavailableError
from worker.oauth.subprocess_runner import run_command
from worker.oauth.token_store import TokenCommand, TokenFile
from workitems.base.errors import SettingsError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_stored_token_is_found_in_a_file_that_only_its_owner_may_read(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token")
    assert file.get() is None
    old = os.umask(0)
    try:
        file.store("first")
    finally:
        os.umask(old)
    file.store("second")
    assert file.get() == "second"
    assert mode(tmp_path / "token") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


@pytest.mark.parametrize("open_to", [0o640, 0o604, 0o622, 0o666, 0o644])
def test_a_file_that_others_can_read_or_change_is_refused_with_what_to_do(tmp_path: Path, open_to: int) -> None:
    path = tmp_path / "token"
    path.write_text("secret")
    path.chmod(open_to)
    with pytest.raises(SettingsError, match=rf"mode {open_to:o}\); accepted is 600: chmod 600 {path}") as caught:
        TokenFile(path).get()
    assert "secret" not in str(caught.value)


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "token").symlink_to(tmp_path / "real" / "token")
    file = TokenFile(tmp_path / "token")
    file.store("first")
    assert (tmp_path / "token").is_symlink()
    assert (tmp_path / "real" / "token").read_text() == "first\n"
    assert file.get() == "first"


def test_a_file_that_cannot_be_replaced_stays_as_it_was_and_no_draft_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = TokenFile(tmp_path / "token")
    file.store("first")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SettingsError, match="cannot be written: No space left"):
            file.store("second")
    assert file.get() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


@pytest.mark.parametrize("content", [b"two words", b"two\nlines", b"\xff\xfe", b"x" * 20_000, "blöd".encode()])
def test_a_file_that_holds_no_token_is_refused_without_being_quoted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="holds what is no token") as caught:
        TokenFile(path).get()
    assert content.decode("latin-1")[:5] not in str(caught.value).removeprefix(f"token_file: {path}")


def test_a_folder_that_cannot_be_written_is_reported_before_the_sign_in(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nothing can be written in"):
        TokenFile(tmp_path / "no" / "token").check()
    (tmp_path / "token").mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        TokenFile(tmp_path / "token").check()


def test_what_root_stores_belongs_to_the_folders_owner_or_the_old_files(tmp_path: Path) -> None:
    worker, other = (65534, 12345) if os.geteuid() == 0 else (os.geteuid(),) * 2
    os.chown(tmp_path, worker, -1)
    file = TokenFile(tmp_path / "token")
    file.store("first")
    assert (tmp_path / "token").stat().st_uid == worker
    os.chown(tmp_path / "token", other, -1)
    file.store("second")
    assert (tmp_path / "token").stat().st_uid == other


def script(place: Path, text: str) -> tuple[str, ...]:
    path = place / "store"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return (str(path), "desk")


def test_a_command_is_called_with_get_and_store_and_sees_no_shell(tmp_path: Path) -> None:
    kept = tmp_path / "kept $(touch hacked)"
    command = script(tmp_path, f"[ \"$2\" = store ] && exec cat > '{kept}'\n[ -e '{kept}' ] && cat '{kept}'\nexit 0")
    keeping = TokenCommand((*command,))
    assert keeping.get() is None
    keeping.store("first")
    assert keeping.get() == "first"
    assert kept.read_text() == "first\n"
    assert not list(tmp_path.glob("hacked"))


def test_the_standard_error_of_a_command_is_dropped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    keeping = TokenCommand(script(tmp_path, "echo the token is secret-1 >&2; exit 7"))
    with pytest.raises(TokenUnavailableError, match=r"store get failed with status 7") as caught:
        keeping.get()
    assert "secret-1" not in str(caught.value) + "".join(capfd.readouterr())


def test_a_command_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    command = script(tmp_path, f"sleep 600 & echo $! > {child}; wait")
    for seconds in (0.3, 3, 30):  # until it had the time to start its child
        with pytest.raises(TokenUnavailableError, match=f"did not end within {seconds} s"):
            run_command((*command, "get"), b"", 100, timeout=seconds)
        if child.exists() and child.read_text().endswith("\n"):
            break
    pid = int(child.read_text())
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_command_that_prints_without_end_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="prints more than 16386 bytes"):
        TokenCommand(script(tmp_path, "exec cat /dev/zero")).get()


def test_a_command_that_does_not_read_what_it_is_given_does_not_hold_us(tmp_path: Path) -> None:
    assert run_command(script(tmp_path, "exit 0"), b"x" * 1_000_000, 100) == b""


def test_a_large_token_goes_through_a_command_that_answers_while_it_reads() -> None:
    code = "import sys; sys.stdout.write(sys.stdin.read())"
    given = b"x" * 300_000
    assert run_command((sys.executable, "-c", code), given, 400_000) == given


def test_a_command_that_is_not_there_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be started: No such file"):
        TokenCommand((str(tmp_path / "nothing"),)).get()

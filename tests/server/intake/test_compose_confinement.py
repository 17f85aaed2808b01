"""A compose child that a hostile body controls reaches nothing but its body and its mail (real children and kernel)."""

import json
import os
import socket
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import structlog

from server.intake.compose_child import ComposeRequest, compose_mail
from server.intake.uploads import Uploads
from tests.server.intake.test_uploads import LARGE, composed, intake, mailstore, spool, uploads
from workitems.base.errors import InvalidChangeError

__all__ = ["intake", "mailstore", "spool", "uploads"]

HOSTILE = "import sys; sys.path.insert(0, sys.argv[1]); from tests.server.intake.hostile_composing import main; main()"
UNCONFINED = (
    "import sys; sys.path.insert(0, sys.argv[1]); from workitems.confinement import confine, landlock, seccomp; "
    "landlock.read_only = lambda paths: False; seccomp.program = lambda *machine: None; "
    "from server.intake.compose_child import main; main()"
)
ROOT = Path(__file__).resolve().parents[3]

#: What is not denied by the filter has these answers: there is no such file for a confined child, or no such call.
DENIED = {"EPERM", "EACCES", "ENOSYS"}


@pytest.fixture(autouse=True)
def _small_is_small(monkeypatch: Any) -> None:
    """Make every body a large one, which a child composes."""
    monkeypatch.setattr("server.intake.uploads.MAX_MEMORY_BYTES", 0)


async def test_a_hostile_body_gets_no_network_no_other_file_and_no_process(
    uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.intake.uploads._PROGRAM", HOSTILE)
    monkeypatch.setenv("TUBEPOST_TOKEN", "secret")
    settings, mail = tmp_path / "tubepost.toml", tmp_path / "mail" / "other"
    settings.write_text("secret")
    mail.parent.mkdir(exist_ok=True)
    mail.write_text("the mail of another person")
    ours = [ROOT / "setup.cfg", ROOT / "tubepost.example.toml"]
    theirs = ["/etc/passwd", f"/proc/{os.getpid()}/environ", f"/proc/{os.getpid()}/mem", "/proc/self/environ"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked = {
            "files": [str(path) for path in (settings, mail, *ours, *theirs)], "folder": str(mail.parent),
            "parent": os.getpid(), "port": listener.getsockname()[1], "beyond": 50_000_000,
        }  # fmt: skip
        request = ComposeRequest("json", "application/json", "<fresh@x>", max_bytes=1_000_000)
        found = json.loads((await composed(uploads, request, json.dumps(asked).encode()))[0])

    assert found.pop("environment") == "LC_ALL TZ"
    assert found.pop("descriptors") == "6"  # three standard ones, body, mail, values
    assert found.pop("large file") == "EFBIG"
    assert {attempt: answer for attempt, answer in found.items() if answer not in DENIED} == {}
    assert mail.read_text() == "the mail of another person"
    mail.unlink()


@pytest.mark.parametrize(("asked", "raw"), LARGE)
async def test_a_confined_child_still_composes_each_kind_of_body(
    uploads: Uploads, asked: ComposeRequest, raw: bytes
) -> None:
    out = BytesIO()
    found = compose_mail(asked, BytesIO(raw), BytesIO(), out.write)
    assert await composed(uploads, asked, raw) == (out.getvalue(), found)


async def test_an_answer_that_never_ends_takes_no_memory(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.intake.uploads._PROGRAM", "while True: print('x' * 100_000, end='')")
    with pytest.raises(InvalidChangeError, match="too much memory"):
        await composed(uploads, ComposeRequest("json", "application/json", "<fresh@x>"), b"{}")


async def test_a_platform_that_cannot_confine_children_is_logged_once(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.intake.uploads._PROGRAM", UNCONFINED)
    asked = ComposeRequest("json", "application/json", "<fresh@x>")
    with structlog.testing.capture_logs() as lines:
        with pytest.raises(InvalidChangeError):
            await composed(uploads, asked, b"{wrong")
        await composed(uploads, asked, b'{"from": "ada@example.com", "text": "x"}')
    (line,) = [line for line in lines if line["log_level"] != "debug"]
    assert line["event"] == "this platform cannot confine composing wholly"
    assert {"landlock", "seccomp"} <= set(line["missing"].split(", "))
    assert (line["log_level"], line["see"]) == ("warning", "docs/troubleshooting.md")


async def test_a_child_refuses_a_wrong_body_in_the_words_of_a_thread(uploads: Uploads) -> None:
    for kind, content_type in (("json", "application/json"), ("mailgun", "multipart/form-data; boundary=a")):
        request = ComposeRequest(kind, content_type, "<fresh@x>")
        with pytest.raises(InvalidChangeError) as here:
            compose_mail(request, BytesIO(b"{wrong"), BytesIO(), BytesIO().write)
        with pytest.raises(InvalidChangeError) as there:
            await composed(uploads, request, b"{wrong")
        assert (str(there.value), there.value.field) == (str(here.value), here.value.field)

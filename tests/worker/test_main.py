"""The worker as a process, and the verbs `check` and `extract`, which change nothing."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.faults.worker_harness import PATIENCE, PROJECT, WorkerHarness, make_mail
from worker.mailboxes.assembly import LEAVE, WATCHERS_STOP
from worker.main import READERS_STOP, consumer_name, rules
from worker.sandbox.frames import GENERAL
from workitems.intake.identity import item_id
from workitems.settings import FieldSettings, Settings


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WorkerHarness]:
    harness = WorkerHarness(tmp_path).open()
    yield harness
    harness.close()


def _run(harness: WorkerHarness, *words: str, settings: str = "") -> subprocess.CompletedProcess[str]:
    config = harness.config
    config.write_text(config.read_text() + settings)
    return subprocess.run(
        [sys.executable, str(PROJECT / "run.py"), *words],
        env={"TUBEPOST_CONFIG": str(config), "PATH": ""}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_worker_stops_in_order_while_mail_comes_and_the_next_one_continues(harness: WorkerHarness) -> None:
    mails = [make_mail(n) for n in range(300)]
    harness.dovecot.seed(mails)
    harness.start_worker()
    harness.until(lambda: len(harness.items()) >= 20, "mail comes")
    assert harness.worker is not None
    harness.worker.terminate()
    assert harness.worker.wait(PATIENCE) == 0
    lines = harness.log.read_text().replace('"', "").splitlines()
    steps = ["event=stopping", "event=pollers stopped", "event=readers stopped", "event=stopped"]
    positions = [next(n for n, line in enumerate(lines) if step in line) for step in steps]
    assert positions == sorted(positions)

    harness.start_worker()
    harness.until_read({item_id("desk", raw) for raw in mails})
    assert len(harness.events()) == len(mails)


def test_the_time_limits_of_a_stop_are_below_10_seconds_and_below_supervisord_s() -> None:
    supervisord = ConfigParser(interpolation=None)
    supervisord.read(PROJECT / "supervisord.conf")
    waits = supervisord.getfloat("program:worker", "stopwaitsecs")
    assert READERS_STOP + WATCHERS_STOP + LEAVE < 10 < waits


def test_a_worker_that_gets_sigterm_while_it_starts_stops_at_once(harness: WorkerHarness) -> None:
    harness.start_worker()
    harness.until(lambda: "Redis is available" in harness.log.read_text(), "the worker is starting")
    assert harness.worker is not None
    harness.worker.terminate()
    assert harness.worker.wait(PATIENCE) == 0


def test_all_children_end_with_the_worker(harness: WorkerHarness) -> None:
    harness.start_worker()
    harness.until(lambda: "event=started" in harness.log.read_text(), "the worker has started")
    assert harness.worker is not None
    pid = harness.worker.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert children
    harness.worker.terminate()
    harness.worker.wait(PATIENCE)
    harness.until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "the children have ended")


def test_check_prints_what_can_be_reached_and_how_many_mails_would_be_read(harness: WorkerHarness) -> None:
    harness.dovecot.seed([make_mail(1), make_mail(2)])
    done = _run(harness, "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Redis         ok       reached" in done.stdout
    assert "can be written" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("no errors, ")
    assert "2 would be read now" in done.stdout
    assert "IDLE" in done.stdout
    assert "keywords are kept" in done.stdout


def test_check_prints_faults_and_cures_and_no_secret(harness: WorkerHarness) -> None:
    wrong = f"""
[mailboxes.other]
host = "127.0.0.1"
port = {harness.dovecot.port}
tls = "none"
user = "desk"
password = "not-the-password"
"""
    harness.redis_server.kill()
    done = _run(harness, "check", settings=wrong)
    assert done.returncode == 1
    assert "Redis          ERROR    NOT reached" in done.stdout
    assert "mailbox desk   ok       signed in" in done.stdout
    assert "mailbox other  ERROR    NOT reached" in done.stdout
    assert "Check user and password" in done.stdout
    assert "not-the-password" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_check_of_a_broken_file_says_what_workers_do_meanwhile(harness: WorkerHarness) -> None:
    done = _run(harness, "check", settings='[fields.deal]\nlabel = "Deal"\n')
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == [
        "fields.deal.label: no such setting; did you mean labels?",
        "Workers that run continue with their former field rules until this is mended.",
    ]


def test_check_changes_nothing(harness: WorkerHarness) -> None:
    harness.dovecot.seed([make_mail(1)])
    _run(harness, "check")
    with harness.redis() as client:
        assert client.keys("*") == []


def test_a_worker_does_not_start_without_the_files_that_its_mailboxes_name(harness: WorkerHarness) -> None:
    other = """
[mailboxes.{0}]
host = "imap.example.com"
user = "desk"
{1}
"""
    missing = other.format("other", 'password_file = "/nowhere/password"')
    missing += other.format("third", 'password = "a"\nca_file = "/nowhere/ca.pem"')
    alone = _run(harness, "import", "other", settings=missing)
    assert (alone.returncode, len(alone.stderr.splitlines())) == (2, 2)
    assert "mailboxes.other.password_file: /nowhere/password cannot be read" in alone.stderr
    done = _run(harness, "worker", settings=missing)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == [
        "mailboxes.other.password_file: /nowhere/password cannot be read: No such file or directory",
        "mailboxes.third.ca_file: /nowhere/ca.pem cannot be read: No such file or directory",
    ]


def test_an_error_explains_how_the_embedded_redis_is_started(tmp_path: Path) -> None:
    config = tmp_path / "tubepost.toml"
    config.write_text(f'data = "{tmp_path}"')
    for verb in (["check"], ["user", "list"]):
        done = subprocess.run(
            [sys.executable, str(PROJECT / "run.py"), *verb],
            env={"TUBEPOST_CONFIG": str(config), "PATH": ""}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode != 0
        assert "starts with the other programs: .venv/bin/supervisord -c supervisord.conf" in done.stdout + done.stderr


def test_extract_prints_fields_with_their_positions(harness: WorkerHarness, tmp_path: Path) -> None:
    file = tmp_path / "mail.eml"
    file.write_bytes(make_mail(1))
    done = _run(harness, "extract", str(file))
    assert done.returncode == 0, done.stderr
    assert "policy_number: AB-12345" in done.stdout
    assert "in text 15-23" in done.stdout


def test_extract_prints_a_line_of_json_for_each_file(harness: WorkerHarness, tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.eml" for n in (1, 2)]
    for n, file in enumerate(files, 1):
        file.write_bytes(make_mail(n))
    config = tmp_path / "other.toml"
    config.write_text(f'data = "{tmp_path}"\n[fields.policy]\nlabels = ["Policy number"]\ntype = "reference"\n')
    done = _run(harness, "extract", *map(str, files), "--json", "--config", str(config))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == ["1.eml", "2.eml"]
    assert set(lines[0]) == {
        "file", "subject", "from_email", "kind", "new_text", "extracted_fields", "evidence", "missing", "attachments",
        "flags", "bounce", "invitation",
    }  # fmt: skip
    assert lines[0]["extracted_fields"]["policy"] == "AB-12345"


def test_extract_uses_the_rules_of_the_named_mailbox(harness: WorkerHarness, tmp_path: Path) -> None:
    file = tmp_path / "mail.eml"
    file.write_bytes(make_mail(1, text="Deal: XY-9"))
    rule = '\n[fields.deal]\nlabels = ["Deal"]\ntype = "reference"\nmailboxes = ["desk"]\n'
    done = _run(harness, "extract", str(file), "--mailbox", "desk", settings=rule)
    assert "deal: XY-9" in done.stdout
    unknown = _run(harness, "extract", str(file), "--mailbox", "nowhere")
    assert unknown.returncode == 2
    assert "no such mailbox; set are: desk" in unknown.stderr


def test_rules_add_to_the_general_fields_unless_these_are_turned_off(harness: WorkerHarness, tmp_path: Path) -> None:
    file = tmp_path / "mail.eml"
    file.write_bytes(make_mail(1, text="Deal: XY-9\nPolicy Number: AB-12345"))
    rule = '\n[fields.deal]\nlabels = ["Deal"]\ntype = "reference"\n'
    done = _run(harness, "extract", str(file), settings=rule)
    assert "deal: XY-9" in done.stdout
    assert "policy_number: AB-12345" in done.stdout
    alone = _run(harness, "extract", str(file), settings=f"{rule}[reading]\ngeneral = false\n")
    assert "deal: XY-9" in alone.stdout
    assert "policy_number" not in alone.stdout.partition("Text")[0]


def test_extract_prints_what_is_missing_and_why(harness: WorkerHarness, tmp_path: Path) -> None:
    file = tmp_path / "mail.eml"
    file.write_bytes(make_mail(1, text="Due date: 03/04/2026"))
    rule = '\n[fields.deal]\nlabels = ["Deal"]\n'
    shown = _run(harness, "extract", str(file), settings=rule).stdout
    assert "Missing\n  deal: absent\n  due_date: ambiguous (2026-03-04, 2026-04-03)\n" in shown


def test_extract_removes_terminal_control_characters_of_a_mail(harness: WorkerHarness, tmp_path: Path) -> None:
    file = tmp_path / "mail.eml"
    file.write_bytes(make_mail(1, text="\x1b[2Jgone"))
    done = _run(harness, "extract", str(file))
    assert "\x1b" not in done.stdout


def test_extract_of_a_missing_file_is_an_error(harness: WorkerHarness, tmp_path: Path) -> None:
    done = _run(harness, "extract", str(tmp_path / "none.eml"))
    assert done.returncode == 2
    assert "cannot be read" in done.stderr


def test_the_consumer_name_is_stable_and_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUBEPOST_PROCESS", "worker_01")
    assert consumer_name(Settings()) == f"{socket.gethostname()}-worker_01"
    assert consumer_name(Settings(host_name="alpha")) == "alpha-worker_01"
    assert consumer_name(Settings.model_validate({"worker": {"name": "mine"}})) == "mine"


def test_rules_apply_to_the_mailboxes_they_name_and_uploads_get_the_general_ones() -> None:
    common, special = FieldSettings(labels=("A",)), FieldSettings(labels=("B",), mailboxes=("posted",))
    found = rules(Settings(fields={"common": common, "special": special}))
    names = {
        mailbox: [each if isinstance(each, str) else each["name"] for each in given] for mailbox, given in found.items()
    }
    assert names == {"*": ["common", GENERAL], "posted": ["common", "special", GENERAL]}


def test_a_program_that_crashes_writes_no_core_file() -> None:
    mail = PROJECT / "tests" / "messages" / "body-only.eml"
    code = (
        "import resource, run, sys; core = resource.RLIMIT_CORE; hard = resource.getrlimit(core)[1]; "
        "resource.setrlimit(core, (hard, hard)); "
        f"sys.argv = ['run.py', 'extract', {str(mail)!r}]; run.main(); sys.exit(resource.getrlimit(core)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr

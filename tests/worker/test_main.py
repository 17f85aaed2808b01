"""The worker as a process, and the two verbs that look without changing anything."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.post_office import PROJECT, PostOffice, letter
from worker.main import consumer_name, rules
from workitems.identity import item_id
from workitems.settings import FieldSettings, Settings


@pytest.fixture
def office(tmp_path: Path) -> Iterator[PostOffice]:
    office = PostOffice(tmp_path).open()
    yield office
    office.close()


def _run(office: PostOffice, *words: str, settings: str = "") -> subprocess.CompletedProcess[str]:
    config = office.config
    config.write_text(config.read_text() + settings)
    return subprocess.run(
        [sys.executable, str(PROJECT / "run.py"), *words],
        env={"TUBEPOST_CONFIG": str(config), "PATH": ""}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_worker_stops_soon_and_in_order_while_mail_flows_and_the_next_one_goes_on(office: PostOffice) -> None:
    mails = [letter(n) for n in range(300)]
    office.dovecot.seed(mails)
    office.start_worker()
    office.until(lambda: len(office.items()) >= 20, "mail flows")
    assert office.worker is not None
    began = time.monotonic()
    office.worker.terminate()
    assert office.worker.wait(15) == 0
    assert time.monotonic() - began < 10
    lines = office.log.read_text().replace('"', "").splitlines()
    steps = ["event=stopping", "event=pollers stopped", "event=readers stopped", "event=stopped"]
    places = [next(n for n, line in enumerate(lines) if step in line) for step in steps]
    assert places == sorted(places)

    office.start_worker()
    office.until_read({item_id("desk", raw) for raw in mails})
    assert len(office.events()) == len(mails)


def test_a_worker_that_is_told_to_stop_while_it_starts_does_not_start_first(office: PostOffice) -> None:
    office.start_worker()
    office.until(lambda: "Redis answers" in office.log.read_text(), "it is on its way up")
    assert office.worker is not None
    office.worker.terminate()
    assert office.worker.wait(10) == 0


def test_no_child_outlives_the_worker(office: PostOffice) -> None:
    office.start_worker()
    office.until(lambda: "event=started" in office.log.read_text(), "it is up")
    assert office.worker is not None
    pid = office.worker.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert children
    office.worker.terminate()
    office.worker.wait(15)
    office.until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "the children are gone")


def test_check_says_what_can_be_reached_and_how_many_mails_would_be_read(office: PostOffice) -> None:
    office.dovecot.seed([letter(1), letter(2)])
    told = _run(office, "check")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Redis: reached" in told.stdout
    assert "can be written" in told.stdout
    assert "2 would be read now" in told.stdout
    assert "IDLE" in told.stdout
    assert "keywords are kept" in told.stdout


def test_check_says_what_is_wrong_and_what_to_do_and_no_secret(office: PostOffice) -> None:
    wrong = f"""
[mailboxes.other]
host = "127.0.0.1"
port = {office.dovecot.port}
tls = "none"
user = "desk"
password = "not-the-password"
"""
    office.redis_server.kill()
    told = _run(office, "check", settings=wrong)
    assert told.returncode == 1
    assert "Redis: NOT reached" in told.stdout
    assert "mailbox desk: signed in" in told.stdout
    assert "mailbox other: NOT reached" in told.stdout
    assert "Check user and password" in told.stdout
    assert "not-the-password" not in told.stdout + told.stderr
    assert "Traceback" not in told.stderr


def test_check_changes_nothing(office: PostOffice) -> None:
    office.dovecot.seed([letter(1)])
    _run(office, "check")
    with office.redis() as client:
        assert client.keys("*") == []


def test_a_worker_does_not_start_without_the_files_that_its_mailboxes_name(office: PostOffice) -> None:
    other = """
[mailboxes.{0}]
host = "imap.example.com"
user = "desk"
{1}
"""
    missing = other.format("other", 'password_file = "/nowhere/password"')
    missing += other.format("third", 'password = "a"\nca_file = "/nowhere/ca.pem"')
    alone = _run(office, "import", "other", settings=missing)
    assert (alone.returncode, len(alone.stderr.splitlines())) == (2, 2)
    assert "mailboxes.other.password_file: /nowhere/password cannot be read" in alone.stderr
    told = _run(office, "worker", settings=missing)
    assert told.returncode == 2
    assert told.stderr.splitlines()[1:] == [
        "mailboxes.other.password_file: /nowhere/password cannot be read: No such file or directory",
        "mailboxes.third.ca_file: /nowhere/ca.pem cannot be read: No such file or directory",
    ]


def test_an_embedded_redis_that_does_not_run_yet_is_said_to_start_with_the_others(tmp_path: Path) -> None:
    config = tmp_path / "tubepost.toml"
    config.write_text(f'data = "{tmp_path}"')
    for verb in (["check"], ["user", "list"]):
        told = subprocess.run(
            [sys.executable, str(PROJECT / "run.py"), *verb],
            env={"TUBEPOST_CONFIG": str(config), "PATH": ""}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert told.returncode != 0
        assert "starts with the other programs: .venv/bin/supervisord -c supervisord.conf" in told.stdout + told.stderr


def test_extract_shows_fields_with_their_places(office: PostOffice, tmp_path: Path) -> None:
    file = tmp_path / "letter.eml"
    file.write_bytes(letter(1))
    told = _run(office, "extract", str(file))
    assert told.returncode == 0, told.stderr
    assert "policy_number: AB-12345" in told.stdout
    assert "in text 15-23" in told.stdout
    data = json.loads(_run(office, "extract", str(file), "--json").stdout)
    assert data["fields"]["policy_number"] == "AB-12345"


def test_extract_uses_the_rules_of_the_mailbox_that_is_named(office: PostOffice, tmp_path: Path) -> None:
    file = tmp_path / "letter.eml"
    file.write_bytes(letter(1, text="Deal: XY-9"))
    rule = '\n[fields.deal]\nlabels = ["Deal"]\ntype = "reference"\nmailboxes = ["desk"]\n'
    told = _run(office, "extract", str(file), "--mailbox", "desk", settings=rule)
    assert "deal: XY-9" in told.stdout
    unknown = _run(office, "extract", str(file), "--mailbox", "nowhere")
    assert unknown.returncode == 2
    assert "no such mailbox; set are: desk" in unknown.stderr


def test_extract_does_not_let_a_mail_command_the_terminal(office: PostOffice, tmp_path: Path) -> None:
    file = tmp_path / "letter.eml"
    file.write_bytes(letter(1, text="\x1b[2Jgone"))
    told = _run(office, "extract", str(file))
    assert "\x1b" not in told.stdout


def test_extract_of_a_file_that_is_not_there_says_so(office: PostOffice, tmp_path: Path) -> None:
    told = _run(office, "extract", str(tmp_path / "none.eml"))
    assert told.returncode == 2
    assert "cannot be read" in told.stderr


def test_the_consumer_s_name_is_stable_and_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUBEPOST_PROCESS", "worker_01")
    assert consumer_name(Settings()).endswith("-worker_01")
    assert consumer_name(Settings.model_validate({"worker": {"name": "mine"}})) == "mine"


def test_rules_reach_the_mailboxes_they_name_and_posted_mail_gets_the_common_ones() -> None:
    common, special = FieldSettings(labels=("A",)), FieldSettings(labels=("B",), mailboxes=("posted",))
    found = rules(Settings(fields={"common": common, "special": special}))
    assert [rule["name"] for rule in found["*"]] == ["common"]
    assert [rule["name"] for rule in found["posted"]] == ["common", "special"]


def test_a_program_that_crashes_leaves_no_memory_on_the_disk() -> None:
    mail = PROJECT / "tests" / "messages" / "body-only.eml"
    code = (
        "import resource, run, sys; core = resource.RLIMIT_CORE; hard = resource.getrlimit(core)[1]; "
        "resource.setrlimit(core, (hard, hard)); "
        f"sys.argv = ['run.py', 'extract', {str(mail)!r}]; run.main(); sys.exit(resource.getrlimit(core)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr

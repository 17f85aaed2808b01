"""A worker that runs uses field rules that change in its settings file, and a file with an error ends nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.worker_harness import PROGRAM, WorkerHarness, make_mail
from workitems.base import keys
from workitems.intake.identity import item_id

#: The worker as it is, with less time between two looks and between two heartbeats.
HASTY = f"""
from worker.mailboxes import assembly
from worker.upkeep import rules_reload
rules_reload.LOOK_SECONDS = assembly.HEARTBEAT_SECONDS = 0.1
{PROGRAM}"""

TEXT = "Deal: XY-9\r\nShip: AB-7\r\nPort: 12345"
IN_USE = "changed field rules are in use"


def rule(name: str) -> str:
    return f'[fields.{name}]\nlabels = ["{name.title()}"]\npattern = "[A-Z0-9-]+"\n'


class Desk(WorkerHarness):
    """A worker whose settings file a test changes."""

    mails = 0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, settings="[reading]\ngeneral = false\n" + rule("deal"), program=HASTY)
        self.file = self.folder / "tubepost.toml"

    def begin(self) -> None:
        self.start_worker()
        self.until(lambda: "event=started" in self.log.read_text(), "the worker has started")
        self.usual = self.file.read_text().partition("[fields.")[0]

    def until_logged(self, text: str, times: int = 1) -> None:
        self.until(lambda: self.log.read_text().count(text) >= times, text)

    def read_mail(self) -> dict[str, Any]:
        """Have one more mail read, and return its fields."""
        self.mails += 1
        raw = make_mail(self.mails, text=TEXT)
        self.dovecot.seed([raw])
        self.until(lambda: item_id("desk", raw) in self.items(), "the mail is read")
        fields: dict[str, Any] = self.items()[item_id("desk", raw)]["extracted_fields"]
        return fields

    def rules_error(self) -> str:
        """Return what the worker's heartbeat says of its rules."""
        with self.redis() as client:
            (heartbeat,) = client.hvals(keys.WORKERS)
        error: str = json.loads(heartbeat)["rules_error"]
        return error

    def counted_fields(self) -> set[str]:
        """Return the fields in the counts of the days."""
        with self.redis() as client:
            names = {name.decode() for key in client.keys(keys.field_counts("desk", "*")) for name in client.hkeys(key)}
        return {name.partition(":")[0] for name in names}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    desk.open()
    desk.begin()
    yield desk
    desk.close()


def test_the_next_mail_is_read_with_a_changed_file_and_with_the_former_rules_while_it_has_an_error(desk: Desk) -> None:
    assert desk.read_mail() == {"deal": "XY-9"}
    assert desk.counted_fields() == {"deal"}

    desk.file.write_text(desk.usual + rule("deal") + rule("ship"))
    desk.until_logged(IN_USE)
    assert desk.read_mail() == {"deal": "XY-9", "ship": "AB-7"}
    assert desk.counted_fields() == {"deal", "ship"}

    desk.file.write_text(desk.usual + '[fields.deal]\npattern = "("\n')
    desk.until_logged("former field rules stay in use")
    assert desk.read_mail() == {"deal": "XY-9", "ship": "AB-7"}
    desk.until(lambda: desk.rules_error().startswith("fields.deal.pattern: "), "the heartbeat has the error")

    desk.file.write_text(desk.usual + rule("port"))
    desk.until_logged("the settings file can be used again")
    assert desk.read_mail() == {"port": "12345"}
    desk.until(lambda: desk.rules_error() == "", "the heartbeat has no error")


def test_files_that_are_half_written_renamed_or_removed_lose_no_mail_and_do_not_end_the_worker(desk: Desk) -> None:
    mails = [make_mail(n, text=TEXT) for n in range(1, 121)]
    desk.dovecot.seed(mails[:40])
    whole = desk.usual + rule("ship") + rule("port")
    with desk.file.open("w") as file:
        file.write(whole[:-8])  # its last pattern has no end
        file.flush()
        desk.dovecot.seed(mails[40:80])
        desk.until(lambda: len(desk.items()) > 40, "mail is read while the file is half written")
        file.write(whole[-8:])
    desk.until_logged(IN_USE)
    new = desk.folder / "new"
    new.write_text(desk.usual + rule("deal") + rule("port"))
    desk.dovecot.seed(mails[80:])
    desk.file.rename(desk.folder / "tubepost.toml~")
    new.rename(desk.file)
    desk.until_logged(IN_USE, 2)
    desk.until_read({item_id("desk", raw) for raw in mails})
    assert len(desk.events()) == len(mails), "each mail was published once"
    desk.mails = len(mails)
    assert desk.read_mail() == {"deal": "XY-9", "port": "12345"}
    assert desk.worker is not None
    assert desk.worker.poll() is None

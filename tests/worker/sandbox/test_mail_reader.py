"""Results of the real reading function in a child."""

import os
from email.message import EmailMessage
from typing import Any

import pytest

from tests.worker.sandbox.conftest import AMPLE, OpenSandbox, processes_of
from worker.reading.attachments.library_guard import DAMAGED
from worker.sandbox.failure import SandboxUnavailableError
from worker.sandbox.frames import GENERAL
from worker.sandbox.mail_reader import make_reader
from worker.sandbox.pool import READ_MAIL, Sandbox

PDF = b"%PDF-1.4 not really"


def make_mail() -> bytes:
    """Make a mail with a label and an attachment."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Åsa <asa@example.com>", "claims@example.com", "Claim ☂"
    message["Message-ID"], message["Date"] = "<1@example.com>", "Mon, 3 Mar 2025 10:00:00 +0000"
    message.set_content("Shelf mark: QX-77\n" + "An ordinary line.\n" * 1000)
    message.add_attachment(PDF, maintype="application", subtype="pdf", filename="form.pdf")
    return message.as_bytes()


async def test_a_reading_returns_as_json_and_its_attachments_separately(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(function=READ_MAIL)

    result = await sandbox.read(make_mail(), mailbox="claims", limit=AMPLE)

    reading = result.reading
    assert (reading["subject"], reading["from_email"], reading["from_name"]) == ("Claim ☂", "asa@example.com", "Åsa")
    assert reading["to"] == ["claims@example.com"]
    assert reading["text"].count("An ordinary line.") == 1000
    (described,) = reading["attachments"]
    assert described | {"n": 0} == {
        "n": 0,
        "name": "form.pdf",
        "type": "application/pdf",
        "size": len(PDF),
        "inline": False,
        "content_id": None,
        "unread": DAMAGED,
        "path": [],
    }
    assert result.attachments == [PDF]


@pytest.mark.parametrize(("mailbox", "field"), [("claims", "by_name"), ("orders", "by_star")])
async def test_a_mailbox_is_read_with_its_own_rules_or_else_with_those_for_all(
    io_loop: Any, mailbox: str, field: str
) -> None:
    rules = {
        "claims": [{"name": "by_name", "labels": ["Shelf mark"], "type": "text"}],
        "*": [{"name": "by_star", "labels": ["Shelf mark"], "type": "text"}],
    }
    sandbox = Sandbox(rules, size=1, spares=0)
    await sandbox.start()
    try:
        reading = (await sandbox.read(make_mail(), mailbox=mailbox, limit=AMPLE)).reading
    finally:
        await sandbox.close()

    assert reading["fields"] == {field: "QX-77"}


def test_the_word_general_adds_the_general_rules_to_those_of_a_mailbox() -> None:
    own = {"name": "shelf", "labels": ["Shelf mark"], "type": "text"}
    mail = b"Subject: x\r\n\r\nShelf mark: QX-77\r\nPolicy Number: AB-12345\r\n"
    read = make_reader({"both": [own, GENERAL], "own": [own], "general": [GENERAL], "none": []})
    unwatched: Any = None  # the mail has no files
    found = {
        name: next(read(mail, name, unwatched)).reading["fields"] for name in ("both", "own", "general", "none", "x")
    }
    assert found == {
        "both": {"shelf": "QX-77", "policy_number": "AB-12345"},
        "own": {"shelf": "QX-77"},
        "general": {"policy_number": "AB-12345"},
        "none": {},
        "x": {"policy_number": "AB-12345"},
    }


async def test_a_wrong_rule_prevents_the_start_and_is_named() -> None:
    with pytest.raises(SandboxUnavailableError, match=r"ValueError: .*shelf"):
        await Sandbox({"*": [{"name": "shelf", "pattern": "(", "type": "text"}]}).start()

    assert processes_of(os.getpid()) == set()

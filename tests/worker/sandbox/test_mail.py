"""What comes back from the real reading."""

import os
from email.message import EmailMessage
from typing import Any

import pytest

from tests.worker.sandbox.conftest import AMPLE, OpenSandbox, processes_of
from worker.sandbox.failure import SandboxUnavailableError
from worker.sandbox.pool import READ_MAIL, Sandbox

PDF = b"%PDF-1.4 not really"


def letter() -> bytes:
    """A mail with two labels and an attachment."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Åsa <asa@example.com>", "claims@example.com", "Claim ☂"
    message["Message-ID"], message["Date"] = "<1@example.com>", "Mon, 3 Mar 2025 10:00:00 +0000"
    message.set_content("Shelf mark: QX-77\n" + "An ordinary line.\n" * 1000)
    message.add_attachment(PDF, maintype="application", subtype="pdf", filename="form.pdf")
    return message.as_bytes()


async def test_a_reading_comes_back_as_json_with_its_attachments_apart(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(function=READ_MAIL)

    result = await sandbox.read(letter(), mailbox="claims", limit=AMPLE)

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
    }
    assert result.attachments == [PDF]


@pytest.mark.parametrize(("mailbox", "field"), [("claims", "by_name"), ("orders", "by_star")])
async def test_a_mailbox_is_read_with_its_own_rules_or_those_for_all(io_loop: Any, mailbox: str, field: str) -> None:
    rules = {
        "claims": [{"name": "by_name", "labels": ["Shelf mark"], "type": "text"}],
        "*": [{"name": "by_star", "labels": ["Shelf mark"], "type": "text"}],
    }
    sandbox = Sandbox(rules, size=1, spares=0)
    await sandbox.start()
    try:
        reading = (await sandbox.read(letter(), mailbox=mailbox, limit=AMPLE)).reading
    finally:
        await sandbox.close()

    assert reading["fields"] == {field: "QX-77"}


async def test_a_wrong_rule_stops_the_start_by_name() -> None:
    with pytest.raises(SandboxUnavailableError, match=r"ValueError: .*shelf"):
        await Sandbox({"*": [{"name": "shelf", "pattern": "(", "type": "text"}]}).start()

    assert processes_of(os.getpid()) == set()

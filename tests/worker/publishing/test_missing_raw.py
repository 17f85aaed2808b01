"""What is published of mail whose raw bytes are gone is as careful as what was published with them."""

from worker.publishing.missing_raw import publication_from_reading
from workitems.mailstore.sidecar import Sidecar

READING = {"from_email": "desk@ours.example", "to": ["bob@b.example"], "cc": [], "text": "Offer", "message_key": "m"}


def sidecar(raw: str, *, own: bool) -> Sidecar:
    return Sidecar("wi_" + "a" * 26, "desk", raw, "2026-03-02T10:00:00Z", "imap", 9, own=own)


def test_not_everybody_joins_by_an_answer_to_own_mail_that_may_have_had_hidden_recipients() -> None:
    found = publication_from_reading(READING, [sidecar("a", own=True)])
    assert (found.participants.people, found.participants.sent) == ("bob@b.example,@b.example", 2)
    assert publication_from_reading(READING, [sidecar("a", own=False)]).participants.sent is None


def test_mail_is_own_whichever_copy_came_first() -> None:
    for sidecars in ([sidecar("a", own=False), sidecar("b", own=True)], [sidecar("b", own=True)]):
        found = publication_from_reading(READING, sidecars)
        assert (found.machine_part["kind"], found.status) == ("own", "done")

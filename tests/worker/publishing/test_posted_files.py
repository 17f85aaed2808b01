"""What was posted without usable content is shown in the item, by a real reading child."""

from io import BytesIO

from server.intake.sources import postmark
from tests.server.intake.sources.test_adapters import posted_json
from tests.worker.publishing.reader_harness import ReaderHarness
from worker.reading.attachments.library_guard import NO_CONTENT, UNDECODABLE

TEXT = "UG9saWN5IE51bWJlcjogQUItMTIz\r\nNDU2"


async def test_an_item_names_the_files_that_did_not_come_whole_and_says_why(harness: ReaderHarness) -> None:
    files = [
        {"Name": "a.pdf", "ContentType": "application/pdf", "Content": "%%%"},
        {"Name": "b.txt", "ContentType": "text/plain", "Content": TEXT},
        {"Name": "c.docx", "ContentType": "application/octet-stream", "Content": None},
    ]
    raw = BytesIO()
    postmark.convert(posted_json(Attachments=files, TextBody="See the files.", HtmlBody=""), raw.write)
    item = await harness.put(raw.getvalue())
    async with harness.reader():
        machine = await harness.machine(item)
    assert machine["flags"] == ["attachment_unread"]
    assert [(file["name"], file["size"], file.get("unread")) for file in machine["attachments"]] == [
        ("a.pdf", 0, UNDECODABLE), ("b.txt", 24, None), ("c.docx", 0, NO_CONTENT),
    ]  # fmt: skip
    assert machine["extracted_fields"] == {"policy_number": "AB-123456"}

"""Confinement takes nothing from a reading: each sample is read in a child as it is read without limits."""

import json
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from tests.worker.reading.attachments.test_document_text import pdf, sheet, word
from tests.worker.reading.mails import with_file
from tests.worker.sandbox.conftest import AMPLE, OpenSandbox
from worker.reading import read
from worker.sandbox.mail_reader import encode
from worker.sandbox.pool import READ_MAIL

MESSAGES = sorted((Path(__file__).parents[2] / "messages").glob("*.eml"))
PDF = pdf(b"BT /F 12 Tf 72 700 Td (Policy Number: AB-1234567) Tj ET")


def encrypted(algorithm: str) -> bytes:
    """Return a PDF that anybody can open, but only with a library for encryption."""
    writer, out = PdfWriter(clone_from=PdfReader(BytesIO(PDF))), BytesIO()
    writer.encrypt("", "owner", algorithm=algorithm)
    writer.write(out)
    return out.getvalue()


FILES = {
    "a.pdf": PDF,
    "rc4.pdf": encrypted("RC4-128"),
    "aes.pdf": encrypted("AES-256"),
    "a.docx": word(),
    "a.xlsx": sheet(),
    "a.csv": "Policy Number;Größe\nAB-1234567;3".encode("cp1252"),
    "broken.pdf": PDF[:300],
    "broken.docx": word()[:-40],
}


@pytest.mark.parametrize("kind", ["messages", "files"])
async def test_a_confined_child_reads_every_sample_as_an_unconfined_process_does(
    open_sandbox: OpenSandbox, kind: str
) -> None:
    samples = {path.name: path.read_bytes() for path in MESSAGES}
    if kind == "files":
        samples = {name: with_file(name, "application/octet-stream", content) for name, content in FILES.items()}
    sandbox = await open_sandbox(function=READ_MAIL, size=1, spares=0)

    for name, raw in samples.items():
        found = await sandbox.read(raw, mailbox="m", limit=AMPLE)
        expected = encode(read(raw))
        assert found.reading == _as_sent(expected.reading), name
        assert found.attachments == expected.attachments, name


def _as_sent(value: object) -> object:
    """Return what the pipe makes of a value: a lone surrogate becomes "?"."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))

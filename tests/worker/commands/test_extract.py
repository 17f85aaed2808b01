"""What `run.py extract` prints about a reading."""

from pathlib import Path

import pytest

from tests.worker.reading.mails import with_file
from worker.commands.extract import extract, format_reading
from worker.reading import read
from worker.reading.attachments.file_types import WORD
from worker.reading.attachments.library_guard import DAMAGED
from worker.sandbox.mail_reader import encode
from workitems.base.errors import TubepostError
from workitems.settings import Settings


@pytest.mark.parametrize(("name", "why"), [("", "it is not a file"), ("none.eml", "there is no such file")])
def test_what_is_no_file_is_refused_with_the_reason(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(TubepostError, match=f"cannot be read: {why}"):
        extract(Settings(data=tmp_path), [tmp_path / name])


def test_a_file_that_was_not_read_is_listed_with_the_reason() -> None:
    broken = read(with_file("a.docx", "application/octet-stream", b"PK nothing"))
    whole = read(with_file("a.txt", "text/plain", b"text"))
    assert f"  1  a.docx  ({WORD}, 10 bytes); not read: {DAMAGED}\n" in format_reading(encode(broken).reading)
    assert "  1  a.txt  (text/plain, 4 bytes)\n" in format_reading(encode(whole).reading)

"""The files of a mail share one budget of work."""

import pytest

from tests.support.hostile.builders import docx, paragraph
from tests.worker.reading.mails import with_file
from worker.reading import MailAttachment, ReadingLimits, read
from worker.reading.attachments.document_text import extract_texts
from worker.reading.attachments.file_types import WORD
from worker.reading.attachments.library_guard import TOO_COMPLEX, UnreadableError
from worker.reading.attachments.work import Work


def test_a_file_has_no_more_than_its_share_and_the_mail_no_more_than_all() -> None:
    work = Work(mail=150, file=100)
    work.begin_file()
    work.take(100)
    with pytest.raises(UnreadableError):
        work.take(1)
    with pytest.raises(UnreadableError):
        work.take(0)
    work.begin_file()
    work.take(40)
    assert work.left == 9
    with pytest.raises(UnreadableError):
        work.take(10)


def test_files_after_the_end_of_the_budget_say_so_and_those_before_are_read() -> None:
    content = docx(paragraph("Policy number: AB-12345") * 100)
    files = [MailAttachment(n, "a.docx", WORD, content, False, None) for n in range(1, 5)]
    found = extract_texts(files, ReadingLimits(files_work=1_500))
    assert found.unread == {3: TOO_COMPLEX, 4: TOO_COMPLEX}
    assert set(found.texts) >= {1, 2}


def test_an_ordinary_file_is_far_below_the_budget() -> None:
    content = docx(paragraph("Policy number: AB-12345") * 2_000)
    assert "attachment_unread" not in read(with_file("a.docx", WORD, content)).flags

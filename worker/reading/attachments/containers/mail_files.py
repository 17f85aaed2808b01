"""Takes the files out of an attached mail."""

from collections.abc import Iterator

from worker.reading.attachments.containers.unfolding import InnerFile, UnfoldBudget
from worker.reading.attachments.file_list import list_attachments
from worker.reading.limits import ReadingLimits
from worker.reading.mime.parts import parse_mime
from worker.reading.mime.signed_data import open_signed_data
from worker.reading.text.body import sort_parts

_LIMITS = ReadingLimits()


def mail_files(content: bytes, budget: UnfoldBudget) -> Iterator[InnerFile]:
    """Yield the files of an attached mail; its text is read as that of the mail itself."""
    tree = parse_mime(content, _LIMITS)
    open_signed_data(tree, _LIMITS)
    files = list_attachments(sort_parts(tree.root).files, "")
    yield from budget.take_files(InnerFile(file.name, file.type, file.content, file.unread) for file in files)

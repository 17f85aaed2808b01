"""Opens the files that hold other files: archives, attached mails, messages of Outlook, winmail.dat."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from worker.reading.attachments import file_types
from worker.reading.attachments.containers.mail_files import mail_files
from worker.reading.attachments.containers.outlook_message import outlook_files
from worker.reading.attachments.containers.tnef import tnef_files
from worker.reading.attachments.containers.unfolding import MAX_DEPTH, InnerFile, UnfoldBudget
from worker.reading.attachments.containers.zip_files import zip_files
from worker.reading.attachments.document_text import FileWatch
from worker.reading.attachments.file_list import safe_name
from worker.reading.attachments.library_guard import (
    TOO_DEEP,
    TOO_LARGE,
    TOO_MANY,
    TOO_SLOW,
    OutOfTimeError,
    UnreadableError,
    open_untrusted,
)
from worker.reading.limits import ReadingLimits
from worker.reading.result import MailAttachment

_TNEF_TYPES = frozenset({file_types.TNEF, "application/vnd.ms-tnef"})


def _winmail_files(content: bytes, budget: UnfoldBudget) -> Iterator[InnerFile]:
    found, reason = tnef_files(content, budget.files_left)
    yield from budget.take_files(InnerFile(name, "", inner) for name, inner in found)
    if reason is not None:
        raise UnreadableError(reason)


_Opener = Callable[[bytes, UnfoldBudget], Iterator[InnerFile]]
_OPENERS: dict[str, _Opener] = {
    **dict.fromkeys(_TNEF_TYPES, _winmail_files),
    file_types.ZIP: zip_files,
    file_types.MAIL: mail_files,
    file_types.OUTLOOK: outlook_files,
}


def is_container(file: MailAttachment) -> bool:
    """Return whether the file should hold other files."""
    return _opener(file) is not None and bool(file.content)


def open_containers(
    files: list[MailAttachment], limits: ReadingLimits, watch: FileWatch
) -> tuple[list[MailAttachment], list[int]]:
    """Put the files inside each container behind it, with its path. Return them and, for each, its number in *files*.

    A winmail.dat is no file that anybody sent: those in it take its place. One that cannot be opened says why.
    """
    budget = UnfoldBudget()
    out: list[MailAttachment] = []
    origins: list[int] = []
    opened = 0
    waiting = deque((file, file.n, 0) for file in files)
    while waiting:
        file, origin, depth = waiting.popleft()
        inside: list[InnerFile] = []
        if is_container(file):
            reason: str | None = TOO_DEEP if depth >= MAX_DEPTH else TOO_MANY
            if depth < MAX_DEPTH and opened < limits.attachments_opened:
                opened += 1
                inside, reason = _open(file, origin, limits, budget, watch)
            file = replace(file, unread=file.unread or reason)
        is_replaced = bool(inside) and _is_winmail(file) and file.unread is None
        if not is_replaced:
            out.append(file)
            origins.append(origin)
        path = file.path if is_replaced else (*file.path, file.name)
        found = [_attachment(each, n, path) for n, each in enumerate(inside, 1)]
        waiting.extendleft((each, origin, depth + 1) for each in reversed(found))
    return [replace(file, n=n) for n, file in enumerate(out, 1)], origins


def _open(
    file: MailAttachment, origin: int, limits: ReadingLimits, budget: UnfoldBudget, watch: FileWatch
) -> tuple[list[InnerFile], str | None]:
    opener = _opener(file)
    if opener is None or len(file.content) > limits.attachment_bytes * 4:
        return [], TOO_LARGE
    inside: list[InnerFile] = []  # an error, or the end of the time, leaves what was found before
    try:
        with watch(origin):
            _, reason = open_untrusted(partial(_collect, opener(file.content, budget), inside, budget.files_left))
    except OutOfTimeError:
        reason = TOO_SLOW
    budget.files_left -= len(inside)
    return inside, reason


def _collect(files: Iterator[InnerFile], inside: list[InnerFile], most: int) -> None:
    for file in files:
        if len(inside) >= most:
            raise UnreadableError(TOO_MANY)
        inside.append(file)


def _opener(file: MailAttachment) -> _Opener | None:
    return _winmail_files if _is_winmail(file) else _OPENERS.get(file.type)


def _is_winmail(file: MailAttachment) -> bool:
    return file.type in _TNEF_TYPES or file.name.lower() == "winmail.dat"


def _attachment(file: InnerFile, n: int, path: tuple[str, ...]) -> MailAttachment:
    name = safe_name(file.name, f"attachment-{n}")
    kind = file_types.choose_type(file.type.lower(), name, file.content)
    inner = tuple(safe_name(each, "message") for each in file.path)
    return MailAttachment(0, name, kind, file.content, False, None, file.unread, (*path, *inner))

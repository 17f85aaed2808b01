"""What the files inside files may cost: one budget for all archives, attached mails and the like of a mail."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from worker.reading.attachments.library_guard import TOO_LARGE, UnreadableError

#: Bytes that all files inside the files of a mail may have, how many they may be, and how deep they may lie.
MAX_UNFOLDED, MAX_INNER_FILES, MAX_DEPTH = 8 * 1024 * 1024, 200, 3


@dataclass(frozen=True, slots=True)
class InnerFile:
    """A file inside another: its name as it is written there, its declared type ("" for none), and its bytes."""

    name: str
    type: str
    content: bytes
    #: Why it could not be taken out, as half a sentence.
    unread: str | None = None
    #: Names of the files between the container and this one, where the container holds containers.
    path: tuple[str, ...] = ()


@dataclass(slots=True)
class UnfoldBudget:
    """What is left for the files inside the files of one mail."""

    bytes_left: int = MAX_UNFOLDED
    files_left: int = MAX_INNER_FILES

    def fitting(self, sizes: Sequence[int]) -> set[int]:
        """Return the positions of the files that fit into what is left. Small ones go first: they are texts, mostly."""
        left, found = self.bytes_left, set[int]()
        for n in sorted(range(len(sizes)), key=sizes.__getitem__):
            if sizes[n] > left:
                break
            left -= sizes[n]
            found.add(n)
        return found

    def take(self, size: int) -> None:
        """Take *size* bytes. Raises UnreadableError when so many are not left."""
        if size > self.bytes_left:
            raise UnreadableError(TOO_LARGE)
        self.bytes_left -= size

    def take_files(self, files: Iterable[InnerFile]) -> Iterator[InnerFile]:
        """Yield the files, those that do not fit without their content."""
        files = list(files)
        fitting = self.fitting([len(file.content) for file in files])
        for n, file in enumerate(files):
            if n in fitting:
                self.take(len(file.content))
            yield file if n in fitting else replace(file, content=b"", unread=TOO_LARGE)

"""Counts what the files of a mail cost, so that many small costs cannot add up to a large one."""

from worker.reading.attachments.library_guard import TOO_COMPLEX, UnreadableError


class Work:
    """What is left of the work for the files of one mail. A unit is about a microsecond of CPU time, never measured.

    The same file costs the same each time, and costs are taken before the work is done.
    """

    def __init__(self, mail: int, file: int) -> None:
        """*mail*: units for all files; *file*: units for each of them."""
        self._mail: float = mail
        self._most = file
        self._file: float = min(mail, file)

    @property
    def left(self) -> float:
        """Units that are left for the file."""
        return self._file

    def begin_file(self) -> None:
        """Begin the count of the next file."""
        self._file = min(self._mail, self._most)

    def take(self, units: float) -> None:
        """Take *units*. Raises UnreadableError when so many are not left, and at each later call for the file."""
        self._mail -= units
        self._file -= units
        if self._file < 0:
            raise UnreadableError(TOO_COMPLEX)

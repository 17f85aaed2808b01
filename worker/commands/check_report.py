"""Prints what `run.py check` found: one block for each part, in columns: the part, how it is, and why."""

import sys
from collections.abc import Callable, Iterable, Sequence

from workitems.status.finding import Finding

#: How a part is.
OK, WARNING, ERROR = "ok", "WARNING", "ERROR"

#: The width of the column for that.
_STATE_WIDTH = len(WARNING)


class CheckReport:
    """Counts errors and warnings while it prints."""

    def __init__(self, parts: Iterable[str], echo: Callable[[str], object] | None = None) -> None:
        """*parts*: the names of all parts that will come, for the width of their column."""
        self.errors = 0
        self.warnings = 0
        self._width = max(map(len, parts))
        self._echo = echo or _print

    def add(self, part: str, state: str, *lines: str) -> None:
        """Print *lines* about *part*."""
        self.errors += state == ERROR
        self.warnings += state == WARNING
        first, *rest = [each for line in lines for each in line.splitlines()]
        self._echo(f"{part:<{self._width}}  {state:<{_STATE_WIDTH}}  {first}")
        for line in rest:
            self._echo(f"{'':<{self._width + _STATE_WIDTH + 2}}  {line}")

    def add_findings(self, part: str, said: str, findings: Sequence[Finding]) -> None:
        """Print that *part* is fine and *said*, unless that is '', and then what was found, the errors first."""
        if said:
            self.add(part, OK, said)
        for each in sorted(findings, key=lambda finding: not finding.is_error):
            self.add(part, ERROR if each.is_error else WARNING, f"{each.message}.", each.advice)

    def conclude(self) -> bool:
        """Print how many errors and warnings there were. Return whether there was no error."""
        counts = [_count(self.errors, "error"), _count(self.warnings, "warning")]
        self._echo(f"\n{', '.join(counts)}.")
        return not self.errors


def _count(number: int, name: str) -> str:
    return f"{number or 'no'} {name}{'' if number == 1 else 's'}"


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

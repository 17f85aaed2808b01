"""The script of `run.py demo --script FILE`: a step a line, read before anything starts.

docs/stream.md lists the steps. Pure but for `read`. Every mistake is told with its line and with what is accepted.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from workitems.errors import TubepostError

#: Bytes and steps of a script.
LARGEST = 64 * 1024
MOST = 1_000

#: The program that plays it, and where below the settings' `data` that finds it.
VERB = "demo-server"
PLACE = "script.txt"

#: A number as it may be written; a sign, an exponent or a unit is a mistake.
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)


class ScriptError(TubepostError):
    """The script cannot be read or played; a line for each mistake."""

    permanent = True


@dataclass(frozen=True, slots=True)
class Kind:
    """What may stand behind a step's name: a number from *least* to *most*; *seconds* may have a fraction."""

    least: float = 0.0
    most: float = 0.0
    seconds: bool = False
    #: What an omitted number means; None: it must be given.
    default: float | None = None

    @property
    def accepted(self) -> str:
        """In words."""
        if not self.most:
            return "nothing may follow"
        what = "seconds" if self.seconds else "a whole number"
        return f"{what} from {self.least:g} to {self.most:g}" + (" or nothing" if self.default is not None else "")


def _seconds(least: float) -> Kind:
    return Kind(least, 3600, seconds=True)


def _count(most: int, least: int = 1, default: float | None = 1) -> Kind:
    return Kind(least, most, default=default)


KINDS: dict[str, Kind] = {
    "streams": _count(1_000),
    "wait": _seconds(0.01),
    "items": _count(1_000),
    "burst": _count(5_000, default=None),
    "update": _count(100),
    "remove": _count(100),
    "reset": Kind(),
    "rotate": Kind(),
    "cut": Kind(),
    "unauthorized": _seconds(0.1),
    "busy": _seconds(0.1),
    "limited": _seconds(0.1),
    "silence": _seconds(0.1),
    "repeat": _count(10_000, least=2, default=0),  # 0: for ever
}


@dataclass(frozen=True, slots=True)
class Step:
    """One line: its number in the file, what is done, and how often or for how many seconds."""

    line: int
    name: str
    number: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} {self.number:g}" if self.number else self.name


def read(file: Path) -> list[Step]:
    """The steps of a file. Raises ScriptError."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(LARGEST + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ScriptError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ScriptError(f"{file}: not UTF-8 text") from None
    if len(raw) > LARGEST:
        raise ScriptError(f"{file}: at most {LARGEST:,} bytes are accepted")
    return parse(text, file.name)


def parse(text: str, name: str = "script") -> list[Step]:
    """The steps of a text; *name* is the file's in errors. Raises ScriptError."""
    steps, wrong = [], []
    for line, content in enumerate(text.splitlines(), 1):
        words = content.partition("#")[0].split()
        if not words:
            continue
        try:
            steps.append(_step(line, words))
        except ScriptError as error:
            wrong.append(f"{name}:{line}: {error}")
    wrong = wrong or [f"{name}:{line}: {mistake}" for line, mistake in _whole(steps)]
    if wrong:
        raise ScriptError("\n".join(wrong[:20]))
    return steps


def _step(line: int, words: list[str]) -> Step:
    name, rest = words[0], words[1:]
    kind = KINDS.get(name)
    if kind is None:
        close = get_close_matches(name, KINDS, n=1)
        meant = f"did you mean {close[0]}?" if close else f"accepted: {', '.join(KINDS)}"
        raise ScriptError(f"{name!r:.60} is no step; {meant}")
    if not rest and (not kind.most or kind.default is not None):
        return Step(line, name, kind.default or 0.0)
    found = " ".join(rest)
    if len(rest) != 1 or not _fits(rest[0], kind):
        raise ScriptError(f"{name}: {kind.accepted}" + (f", found {found!r:.60}" if rest else ""))
    return Step(line, name, float(found))


def _fits(text: str, kind: Kind) -> bool:
    if not _NUMBER.fullmatch(text) or (not kind.seconds and "." in text):
        return False
    return bool(kind.most) and kind.least <= float(text) <= kind.most


def _whole(steps: list[Step]) -> list[tuple[int, str]]:
    """What is wrong with the steps together."""
    if not steps:
        return [(1, f"there is no step; accepted: {', '.join(KINDS)}")]
    if len(steps) > MOST:
        return [(steps[MOST].line, f"at most {MOST:,} steps are accepted; repeat plays them again")]
    early = [step.line for step in steps[:-1] if step.name == "repeat"]
    if early:
        return [(line, "repeat: it is the last step, nothing may come after it") for line in early]
    if steps[-1].name == "repeat" and not any(step.name == "wait" for step in steps):
        return [(steps[-1].line, "repeat: a script that is repeated needs a wait")]
    return []

"""Read the script of `run.py demo --script FILE`: one step a line. docs/stream.md lists the steps.

Every mistake is reported with its line and with what is accepted. All is pure except `read`.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from workitems.base.errors import TubepostError

#: Bytes and steps of a script, at most.
MAX_BYTES = 64 * 1024
MAX_STEPS = 1_000

#: The verb of the program that plays the script, and where below `data` it finds the file.
VERB = "demo-server"
FILE_NAME = "script.txt"

#: An accepted number: without a sign, an exponent or a unit.
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)


class ScriptError(TubepostError):
    """The script cannot be read or played; the message has a line for each mistake."""

    permanent = True


@dataclass(frozen=True, slots=True)
class StepKind:
    """What may follow the name of a step: a number from *minimum* to *maximum*; *seconds* may have a fraction."""

    minimum: float = 0.0
    maximum: float = 0.0
    seconds: bool = False
    #: The value of an omitted number; None: it must be given.
    default: float | None = None

    @property
    def accepted(self) -> str:
        """Say in words what may follow."""
        if not self.maximum:
            return "nothing may follow"
        what = "seconds" if self.seconds else "a whole number"
        return f"{what} from {self.minimum:g} to {self.maximum:g}" + (" or nothing" if self.default is not None else "")


def _seconds(minimum: float) -> StepKind:
    return StepKind(minimum, 3600, seconds=True)


def _count(maximum: int, minimum: int = 1, default: float | None = 1) -> StepKind:
    return StepKind(minimum, maximum, default=default)


KINDS: dict[str, StepKind] = {
    "streams": _count(1_000),
    "wait": _seconds(0.01),
    "items": _count(1_000),
    "burst": _count(5_000, default=None),
    "update": _count(100),
    "remove": _count(100),
    "reset": StepKind(),
    "rotate": StepKind(),
    "cut": StepKind(),
    "unauthorized": _seconds(0.1),
    "busy": _seconds(0.1),
    "limited": _seconds(0.1),
    "silence": _seconds(0.1),
    "repeat": _count(10_000, minimum=2, default=0),  # 0: without end
}


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """One line of a script: its line number, the action, and how often or for how many seconds."""

    line: int
    name: str
    number: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} {self.number:g}" if self.number else self.name


def read(file: Path) -> list[ScriptStep]:
    """Return the steps of a file. Raises ScriptError."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ScriptError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ScriptError(f"{file}: not UTF-8 text") from None
    if len(raw) > MAX_BYTES:
        raise ScriptError(f"{file}: at most {MAX_BYTES:,} bytes are accepted")
    return parse(text, file.name)


def parse(text: str, name: str = "script") -> list[ScriptStep]:
    """Return the steps of a text; errors name the file *name*. Raises ScriptError."""
    steps, wrong = [], []
    for line, content in enumerate(text.splitlines(), 1):
        words = content.partition("#")[0].split()
        if not words:
            continue
        try:
            steps.append(_step(line, words))
        except ScriptError as error:
            wrong.append(f"{name}:{line}: {error}")
    wrong = wrong or [f"{name}:{line}: {mistake}" for line, mistake in _mistakes_of_all(steps)]
    if wrong:
        raise ScriptError("\n".join(wrong[:20]))
    return steps


def _step(line: int, words: list[str]) -> ScriptStep:
    name, rest = words[0], words[1:]
    kind = KINDS.get(name)
    if kind is None:
        close = get_close_matches(name, KINDS, n=1)
        meant = f"did you mean {close[0]}?" if close else f"accepted: {', '.join(KINDS)}"
        raise ScriptError(f"{name!r:.60} is no step; {meant}")
    if not rest and (not kind.maximum or kind.default is not None):
        return ScriptStep(line, name, kind.default or 0.0)
    found = " ".join(rest)
    if len(rest) != 1 or not _fits(rest[0], kind):
        raise ScriptError(f"{name}: {kind.accepted}" + (f", found {found!r:.60}" if rest else ""))
    return ScriptStep(line, name, float(found))


def _fits(text: str, kind: StepKind) -> bool:
    if not _NUMBER.fullmatch(text) or (not kind.seconds and "." in text):
        return False
    return bool(kind.maximum) and kind.minimum <= float(text) <= kind.maximum


def _mistakes_of_all(steps: list[ScriptStep]) -> list[tuple[int, str]]:
    """Return what is wrong with the steps together, as line and mistake."""
    if not steps:
        return [(1, f"there is no step; accepted: {', '.join(KINDS)}")]
    if len(steps) > MAX_STEPS:
        return [(steps[MAX_STEPS].line, f"at most {MAX_STEPS:,} steps are accepted; repeat plays them again")]
    misplaced = [step.line for step in steps[:-1] if step.name == "repeat"]
    if misplaced:
        return [(line, "repeat: must be the last step") for line in misplaced]
    if steps[-1].name == "repeat" and not any(step.name == "wait" for step in steps):
        return [(steps[-1].line, "repeat: a script that is repeated needs a wait")]
    return []

"""Checks field rules that somebody sends, in a short-lived child.

RE2 holds the interpreter while it compiles a pattern, for up to a second (`\\pL{350}`). So no process that serves
others compiles patterns from a request.
"""

import json
import sys
from typing import Any

from workitems.base.errors import InvalidChangeError
from workitems.confinement import confine, landlock
from workitems.confinement.limits import EXIT_MEMORY, MIB, ProcessLimits
from workitems.confinement.short_child import PROGRAM, ROOT, ChildEndedError, ask_short_child
from workitems.settings.rules_check import check_rules

#: Seconds of processor time of the child, one of them for its start. A hundred usual patterns take 20 ms.
CPU_SECONDS = 6

#: Bytes of an answer: some sentences.
_MAX_ANSWER = 64 * 1024


async def check_rules_in_child(tables: Any) -> None:
    """Raise InvalidChangeError as `check_rules` does, and when compiling the patterns takes too much."""
    try:
        answer = await ask_short_child(
            PROGRAM.format(__name__), {"rules": tables, "cpu": CPU_SECONDS}, max_answer_bytes=_MAX_ANSWER
        )
    except ChildEndedError as error:
        message = f"compiling the patterns takes too much {error.why}; fewer or smaller ones are accepted"
        raise InvalidChangeError(message, "rules") from None
    if refused := answer.get("refused"):
        raise InvalidChangeError(*refused)


def main() -> None:
    """Run the child."""
    asked = json.loads(sys.stdin.buffer.readline())
    confine.tie_to_parent(asked["parent"])
    check_rules({"warm": {"pattern": "up"}})  # loads what it needs
    confine.hide_project(ROOT)
    limits = ProcessLimits(max_memory_bytes=1024 * MIB, max_cpu_seconds=asked["cpu"], max_open_files=32)
    confine.confine(limits, list(landlock.libraries()))
    try:
        answer = _answer(asked["rules"])
    except MemoryError:
        sys.exit(EXIT_MEMORY)
    sys.stdout.write(json.dumps(answer))


def _answer(tables: Any) -> dict[str, Any]:
    try:
        check_rules(tables)
    except InvalidChangeError as error:
        return {"refused": [str(error), error.field]}
    return {}

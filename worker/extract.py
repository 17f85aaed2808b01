"""`run.py extract FILE.eml`: shows what would be read from a mail, in the same child and with the same limits."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from worker.main import rules
from worker.sandbox.limits import ChildLimits
from worker.sandbox.pool import Sandbox
from worker.sandbox.process import Result
from workitems import log as logs
from workitems.errors import TubepostError
from workitems.event import dumps
from workitems.settings import Settings

#: Characters of a line of text that are shown.
WIDTH = 100

#: Characters that would let a mail command the terminal it is shown on.
_CONTROL = dict.fromkeys([*range(9), *range(11, 32), 127, *range(128, 160)], "�")


def extract(settings: Settings, file: Path, *, mailbox: str = "", as_json: bool = False) -> int:
    """Print what is read from *file* with the field rules of *mailbox*; 0, or 1 when it cannot be read."""
    if mailbox and mailbox not in settings.mailboxes and mailbox not in rules(settings):
        raise TubepostError(f"--mailbox {mailbox}: no such mailbox; set are: {', '.join(settings.mailboxes) or 'none'}")
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise TubepostError(f"{file} cannot be read: {error.strerror}") from None
    logs.configure("warning")
    found = asyncio.run(_read(settings, raw, mailbox)).reading
    sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n" if as_json else text(found))
    return 0


async def _read(settings: Settings, raw: bytes, mailbox: str) -> Result:
    limits = ChildLimits(memory=settings.worker.read_memory)
    sandbox = Sandbox(rules(settings), size=1, spares=0, slow=0, limits=limits)
    try:
        await sandbox.start()
        return await sandbox.read(raw, mailbox=mailbox, limit=settings.worker.read_seconds)
    finally:
        await sandbox.close()


def text(found: dict[str, Any]) -> str:
    """The reading for a person, without anything that a terminal would obey."""
    sender = f"{found['from_name']} <{found['from_email']}>" if found["from_name"] else found["from_email"]
    lines = [
        _line("Subject", found["subject"]),
        _line("From", sender),
        _line("To", ", ".join(found["to"])),
        _line("Kind", ", ".join([found["kind"], *found["flags"]])),
    ]
    lines += [_line("Review", found["reason"])] if found["reason"] else []
    lines += ["", "Fields" if found["fields"] else "Fields: none was found"]
    for name, value in found["fields"].items():
        lines += _field(name, value, found["evidence"].get(name) or {})
    files = [f"  {part['n']}  {part['name']}  ({part['type']}, {part['size']} bytes)" for part in found["attachments"]]
    lines += ["", "Attachments", *files] if files else []
    lines += ["", "Text", *(f"  {line[:WIDTH]}" for line in found["text"].splitlines()[:200])]
    return "\n".join(lines).translate(_CONTROL).encode("utf-8", "replace").decode() + "\n"


def _line(name: str, value: str) -> str:
    return f"{name + ':':9}{value}"


def _field(name: str, value: Any, evidence: dict[str, Any]) -> list[str]:
    shown = value if isinstance(value, str) else dumps(value)
    where = f"{evidence.get('source', '?')} {evidence.get('start')}-{evidence.get('end')}"
    raw = " ".join(str(evidence.get("raw", "")).split())[:WIDTH]
    return [
        f"  {name}: {shown}",
        f"      from {raw!r} in {where}; {evidence.get('rule', '?')}, confidence {evidence.get('confidence', '?')}",
    ]

"""`run.py extract FILE…`: shows what would be read from mails, with the same child and the same limits."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from worker.main import rules
from worker.sandbox.failure import ReadFailedError
from worker.sandbox.limits import ChildLimits
from worker.sandbox.pool import Sandbox
from workitems.base import log as logs
from workitems.base.errors import TubepostError
from workitems.base.json_codec import encode_json_str
from workitems.base.terminal import mark_controls
from workitems.settings import Settings

#: How many characters of a line are shown.
WIDTH = 100

#: Control characters that a text may have: they move nothing but the next character.
_LAYOUT = "\t\n"

#: What a line of JSON has of the reading, as it is named there.
_SAME = ("subject", "from_email", "kind", "evidence", "flags", "bounce", "invitation")


def extract(settings: Settings, files: Sequence[Path], *, mailbox: str = "", as_json: bool = False) -> int:
    """Print what is read from each of *files* with the field rules of *mailbox*.

    Returns 0, or 1 when a mail could not be read. Raises TubepostError for an unknown mailbox or a missing file.
    """
    if mailbox and mailbox not in settings.mailboxes and mailbox not in rules(settings):
        raise TubepostError(f"--mailbox {mailbox}: no such mailbox; set are: {', '.join(settings.mailboxes) or 'none'}")
    logs.configure("warning")
    failed = 0
    for file in files:  # before anything is printed
        if not file.is_file():
            why = "it is not a file" if file.exists() else "there is no such file"
            raise TubepostError(f"{file} cannot be read: {why}")
    for file, found in _read(settings, files, mailbox):
        failed += isinstance(found, str)
        sys.stdout.write(_line_of_json(file, found) if as_json else _page(file, found, with_name=len(files) > 1))
        sys.stdout.flush()
    return 1 if failed else 0


def _read(settings: Settings, files: Sequence[Path], mailbox: str) -> Iterator[tuple[Path, dict[str, Any] | str]]:
    """Yield each file with its reading, or with the reason why there is none. One child reads them all."""
    limits = ChildLimits(max_memory_bytes=settings.worker.read_memory_bytes)
    sandbox = Sandbox(rules(settings), size=1, spares=0, limits=limits)
    with asyncio.Runner() as runner:
        try:
            runner.run(sandbox.start())
            for file in files:
                try:
                    raw = file.read_bytes()
                    limit = settings.worker.retry_read_seconds
                    yield file, runner.run(sandbox.read(raw, mailbox=mailbox, limit=limit)).reading
                except OSError as error:
                    yield file, f"it cannot be read: {error.strerror}"
                except ReadFailedError as error:
                    yield file, error.reason
        finally:
            runner.run(sandbox.close())


def _line_of_json(file: Path, found: dict[str, Any] | str) -> str:
    """Return one line; the file is named without its folders."""
    if isinstance(found, str):
        return encode_json_str({"file": file.name, "error": found}) + "\n"
    line = (
        {"file": file.name}
        | {name: found[name] for name in _SAME}
        | {
            "new_text": new_text(found),
            "extracted_fields": found["fields"],
            "missing": found.get("missing", []),
            "attachments": found["attachments"],
        }
    )
    return encode_json_str(line) + "\n"


def _page(file: Path, found: dict[str, Any] | str, *, with_name: bool) -> str:
    text = f"{file.name}: {found}\n" if isinstance(found, str) else format_reading(found)
    return mark_controls(f"=== {file.name}\n{text}\n", keep=_LAYOUT) if with_name else text


def new_text(found: dict[str, Any]) -> str:
    """Return the text that the sender wrote anew: without quotes, forwarded mail, signature and disclaimer."""
    units = found["text"].encode("utf-16-le", "surrogatepass")
    new = [region for region in found.get("regions", ()) if region["kind"] == "new"]
    pieces = [units[2 * region["start"] : 2 * region["end"]].decode("utf-16-le", "replace").strip() for region in new]
    return "\n\n".join(filter(None, pieces))


def format_reading(found: dict[str, Any]) -> str:
    """Format the reading for a person, without characters that control a terminal."""
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
    lines += ["", "Missing", *map(_missing, found["missing"])] if found["missing"] else []
    files = [_file(part) for part in found["attachments"]]
    lines += ["", "Attachments", *files] if files else []
    lines += ["", "Text", *(f"  {line[:WIDTH]}" for line in found["text"].splitlines()[:200])]
    return mark_controls("\n".join(lines), keep=_LAYOUT).encode("utf-8", "replace").decode() + "\n"


def _line(name: str, value: str) -> str:
    return f"{name + ':':9}{value}"


def _missing(field: dict[str, Any]) -> str:
    readings = [each.get("value", each["raw"]) for each in field["readings"]]
    shown = ", ".join(each if isinstance(each, str) else encode_json_str(each) for each in readings)
    return f"  {field['name']}: {field['why']}{f' ({shown[:WIDTH]})' if shown else ''}"


def _file(part: dict[str, Any]) -> str:
    unread = f"; not read: {part['unread']}" if part.get("unread") else ""
    return f"  {part['n']}  {part['name']}  ({part['type']}, {part['size']} bytes){unread}"


def _field(name: str, value: Any, evidence: dict[str, Any]) -> list[str]:
    shown = value if isinstance(value, str) else encode_json_str(value)
    where = f"{evidence.get('source', '?')} {evidence.get('start')}-{evidence.get('end')}"
    raw = " ".join(str(evidence.get("raw", "")).split())[:WIDTH]
    return [
        f"  {name}: {shown}",
        f"      from {raw!r} in {where}; {evidence.get('rule', '?')}, confidence {evidence.get('confidence', '?')}",
    ]

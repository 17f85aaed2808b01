"""Hostile mail in real reading children: its text and its list of files are always there, and it costs little.

A megabyte should take less than two seconds of CPU time. The bound here has a margin for slow machines.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostile.builders import archive
from tests.support.hostile.files import HOSTILE_FILES
from tests.support.hostile.mails import HOSTILE_MAILS
from tests.worker.reading.mails import with_file
from tests.worker.sandbox.conftest import AMPLE, OpenSandbox, processes_of
from worker.publishing.validation import validate_result
from worker.sandbox.limits import MIB
from worker.sandbox.pool import READ_MAIL

#: What each mail may take, with a margin.
CPU_SECONDS = 4.0
MEMORY = 256 * MIB

SIZE = 100_000
TEXT = "Policy number: AB-12345"
TNEF = "application/ms-tnef"


def with_hostile_file(name: str) -> bytes:
    kind = TNEF if name.endswith("winmail.dat") else "application/octet-stream"
    return with_file(name, kind, HOSTILE_FILES[name](SIZE), body=TEXT)


def peak_memory(pid: int) -> int:
    """Return the most bytes that a process had in memory."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


async def costs(open_sandbox: OpenSandbox, *mails: bytes) -> tuple[list[float], int, list[dict[str, Any]]]:
    """Read mails in a fresh child. Return the CPU seconds of each, the most memory of the child, and the readings."""
    sandbox = await open_sandbox(function=READ_MAIL, size=1, spares=0)
    (child,) = processes_of(os.getpid())
    results = [validate_result(await sandbox.read(raw, mailbox="m", limit=AMPLE)) for raw in mails]
    memory = peak_memory(child)
    return [result.cpu_seconds for result in results], memory, [result.reading for result in results]


def groups(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Divide the names into groups that one child reads: each child takes a second to start."""
    found = list(names)
    return [tuple(found[at : at + 12]) for at in range(0, len(found), 12)]


@pytest.mark.parametrize("names", groups(HOSTILE_FILES), ids=lambda names: names[0])
async def test_hostile_files_cost_little_and_never_the_text_of_their_mail(
    open_sandbox: OpenSandbox, names: tuple[str, ...]
) -> None:
    seconds, memory, readings = await costs(open_sandbox, *map(with_hostile_file, names))
    assert {name: spent for name, spent in zip(names, seconds, strict=True) if spent > CPU_SECONDS} == {}
    assert memory < MEMORY
    for name, reading in zip(names, readings, strict=True):
        assert reading["text"] == TEXT, name
        assert reading["fields"] == {"policy_number": "AB-12345"}, name
        assert reading["attachments"], name


@pytest.mark.parametrize("names", groups(HOSTILE_MAILS), ids=lambda names: names[0])
async def test_hostile_mails_cost_little(open_sandbox: OpenSandbox, names: tuple[str, ...]) -> None:
    seconds, memory, readings = await costs(open_sandbox, *(HOSTILE_MAILS[name](SIZE) for name in names))
    assert {name: spent for name, spent in zip(names, seconds, strict=True) if spent > CPU_SECONDS} == {}
    assert memory < MEMORY
    assert {reading["from_email"] for reading in readings} == {"ann@client.example"}


async def test_many_hostile_files_of_one_mail_share_its_time(open_sandbox: OpenSandbox) -> None:
    content = HOSTILE_FILES["newlines.pdf"](SIZE)
    raw = with_file("a.pdf", "application/pdf", content, body=TEXT)
    head, file, end = raw.partition(b"--cut\r\nContent-Type: application/pdf")
    part, closing, _ = end.partition(b"\r\n--cut--")
    (seconds,), memory, (reading,) = await costs(open_sandbox, head + (file + part + b"\r\n") * 9 + closing[2:])
    assert seconds < CPU_SECONDS
    assert memory < MEMORY
    assert reading["text"] == TEXT
    assert len(reading["attachments"]) == 9


async def test_ten_files_of_one_archive_cost_little_together(open_sandbox: OpenSandbox) -> None:
    names = ("kerned letters.pdf", "strings.xlsx", "runs.docx", "cells.html")
    archives = (archive({f"{n}{name}": HOSTILE_FILES[name](SIZE // 2) for n in range(10)}) for name in names)
    mails = [with_file("a.zip", "application/zip", content, TEXT) for content in archives]
    seconds, memory, readings = await costs(open_sandbox, *mails)
    assert {name: spent for name, spent in zip(names, seconds, strict=True) if spent > CPU_SECONDS} == {}
    assert memory < MEMORY
    for name, reading in zip(names, readings, strict=True):
        assert reading["text"] == TEXT, name
        assert len(reading["attachments"]) == 11, name
        assert "attachment_unread" in reading["flags"], name

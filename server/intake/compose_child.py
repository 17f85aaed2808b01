"""Composes one mail from one uploaded body; for a large body in a child process.

JSON must be parsed whole, in one call that holds the interpreter lock, and a hostile form can be slow to parse. So a
large body is composed in a short-lived child. The child gets two paths and opens these files. Then it gives up all
other rights, as a reading child does, reads the body, reports what it found, and ends.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from server.http.json_body import parse_json_object
from server.intake.json_mail import ACCEPTED_FIELDS, parse_json_mail, warn_of_files
from server.intake.mime_writer import WriteBytes, write_content
from server.intake.sources import mailgun, postmark, sendgrid
from server.intake.sources.envelope import PostedEnvelope
from server.intake.sources.form import read_form
from workitems.base.errors import InvalidChangeError
from workitems.confinement import confine, landlock
from workitems.confinement.limits import EXIT_MEMORY, ProcessLimits
from workitems.confinement.short_child import ROOT
from workitems.mailstore.ownership import open_shared

#: Bytes of address space of a child: for 67 MB of JSON, its text and values, and the libraries.
MEMORY = 1024**3

#: Seconds of processor time of a child; 67 MB of JSON take 2.
PROCESSOR = 15

#: Open descriptors of a child: six of its own, and some for libraries that load their data late.
OPEN_FILES = 32


@dataclass(frozen=True, slots=True)
class ComposeRequest:
    """What to compose. `kind` is json, mailgun, sendgrid or postmark; `generated_id` is for JSON without an id."""

    kind: str
    content_type: str
    generated_id: str = ""
    #: Bytes of the mail at most.
    max_bytes: int = 2**62


@dataclass(frozen=True, slots=True)
class ComposeResult:
    """What was composed. `mailbox` is '' if the body names none; `has_generated_id`: `generated_id` was used.

    `warnings` are about files of JSON that could not be decoded: `{field, filename, message}`.
    """

    envelope: PostedEnvelope
    mailbox: str = ""
    has_generated_id: bool = False
    warnings: tuple[dict[str, str], ...] = ()

    @classmethod
    def decode(cls, result: dict[str, Any]) -> "ComposeResult":
        """Return the result that `asdict` and JSON turned into *result*."""
        envelope = result["envelope"]
        return cls(
            PostedEnvelope(**envelope | {"recipients": tuple(envelope["recipients"])}),
            result["mailbox"],
            result["has_generated_id"],
            tuple(result["warnings"]),
        )


class MailTooLargeError(Exception):
    """The mail would be larger than the request allows."""


def compose_mail(request: ComposeRequest, body: BinaryIO, values: BinaryIO, write: WriteBytes) -> ComposeResult:
    """Write the mail that *body* describes. *values* is an empty file for the values of a form.

    Raise InvalidChangeError for a body that describes no mail, MailTooLargeError, OSError.
    """
    bounded = _bounded(write, request.max_bytes)
    if request.kind == "json":
        return _compose_json(request, body.read(), bounded)
    if request.kind == "postmark":
        return ComposeResult(postmark.convert(body.read(), bounded))
    adapter = {"mailgun": mailgun.convert, "sendgrid": sendgrid.convert}[request.kind]
    return ComposeResult(adapter(read_form(request.content_type, body, values), bounded))


def _compose_json(request: ComposeRequest, body: bytes, write: WriteBytes) -> ComposeResult:
    asked = parse_json_object(body, ACCEPTED_FIELDS)
    content = parse_json_mail(asked, fresh_id=request.generated_id)
    write_content(content, write)
    mailbox = asked.get("mailbox")
    if mailbox is not None and not isinstance(mailbox, str):
        raise InvalidChangeError("the name of a mailbox is accepted", "mailbox")
    has_generated_id = content.message_id == request.generated_id
    return ComposeResult(PostedEnvelope(), mailbox or "", has_generated_id, warn_of_files(content))


def _bounded(write: WriteBytes, max_bytes: int) -> WriteBytes:
    size = 0

    def counted(piece: bytes) -> None:
        nonlocal size
        size += len(piece)
        if size > max_bytes:
            raise MailTooLargeError
        write(piece)

    return counted


def main() -> None:
    """Run the child: read a request from standard input, write the answer to standard output, each a line of JSON."""
    asked = json.loads(sys.stdin.buffer.readline())
    confine.tie_to_parent(asked["parent"])
    try:
        answer = _answer(asked)
    except MemoryError:
        sys.exit(EXIT_MEMORY)
    sys.stdout.write(json.dumps(answer))


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what was composed, or why nothing was; `missing` has the steps of the confinement that are missing."""
    missing: list[str] = []
    return _compose(asked, missing) | {"missing": missing}


def _compose(asked: dict[str, Any], missing: list[str]) -> dict[str, Any]:
    request, body, mail = ComposeRequest(**asked["request"]), Path(asked["body"]), Path(asked["mail"])
    try:
        # The parent reads, syncs and removes the mail. The file of values has no name, so nothing is left of it.
        with (
            body.open("rb") as source,
            os.fdopen(open_shared(mail, os.O_WRONLY | os.O_EXCL), "wb") as out,
            TemporaryFile(dir=mail.parent) as values,
        ):
            missing += _give_up_rights(asked, max(request.max_bytes, body.stat().st_size))
            return {"composed": asdict(compose_mail(request, source, values, out.write))}
    except InvalidChangeError as error:
        return {"refused": [str(error), error.field]}
    except MailTooLargeError:
        return {"too_large": True}
    except OSError as error:
        return {"unavailable": error.strerror or "it cannot be written"}


def _give_up_rights(asked: dict[str, Any], max_file_bytes: int) -> list[str]:
    """Confine this process, and return the steps that are missing.

    From here on it opens only libraries; the project's modules are loaded.
    """
    confine.hide_project(ROOT)
    limits = ProcessLimits(
        max_memory_bytes=asked["memory"], max_cpu_seconds=asked["processor"],
        max_open_files=OPEN_FILES, max_file_bytes=max_file_bytes,
    )  # fmt: skip
    return confine.confine(limits, list(landlock.libraries()))


if __name__ == "__main__":
    main()

"""One posted body turned into one mail, and this as a process of its own for large ones: `python -m server.composing`.

JSON must be parsed whole, in one call that holds the interpreter, and a form may be made to be slow. So a body that is
not small is worked on in a short-lived child with limits; it gets two paths, says what it found, and ends. It knows
nothing of the parent's environment and secrets.
"""

import json
import resource
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from server.body import read_object
from server.compose import Write, write_letter
from server.letter import ACCEPTED, read_letter
from server.sources import mailgun, postmark, sendgrid
from server.sources.form import read_form
from server.sources.posted import Posted
from workitems.errors import InvalidChangeError

#: Bytes of address space of a child: 67 MB of JSON, the text and the values in it, and the libraries.
MEMORY = 1024**3

#: Seconds of processor time of a child; 67 MB of JSON take 2.
PROCESSOR = 15

#: Exit code that says "out of memory": to say it otherwise might take some.
EXIT_MEMORY = 71


@dataclass(frozen=True, slots=True)
class Order:
    """What to do: `kind` is json, mailgun, sendgrid or postmark; `fresh_id` is for JSON that gives no Message-ID."""

    kind: str
    content_type: str
    fresh_id: str = ""
    #: Bytes that the mail may have.
    most: int = 2**62


@dataclass(frozen=True, slots=True)
class Composed:
    """What was found: `mailbox` is '' where the body names none; `fresh` says that `fresh_id` was used."""

    posted: Posted
    mailbox: str = ""
    fresh: bool = False

    @classmethod
    def decode(cls, told: dict[str, Any]) -> "Composed":
        """The inverse of `asdict`, by way of JSON."""
        posted = told["posted"]
        return cls(Posted(**posted | {"recipients": tuple(posted["recipients"])}), told["mailbox"], told["fresh"])


class TooLargeError(Exception):
    """The mail would be larger than the order allows."""


def composed(order: Order, body: BinaryIO, values: BinaryIO, write: Write) -> Composed:
    """Write the mail that *body* describes. *values* is an empty file to work with.

    Raises InvalidChangeError for a body that describes none, TooLargeError, OSError.
    """
    bounded = _bounded(write, order.most)
    if order.kind == "json":
        return _letter(order, body.read(), bounded)
    if order.kind == "postmark":
        return Composed(postmark.write(body.read(), bounded))
    adapter = {"mailgun": mailgun.write, "sendgrid": sendgrid.write}[order.kind]
    return Composed(adapter(read_form(order.content_type, body, values), bounded))


def _letter(order: Order, body: bytes, write: Write) -> Composed:
    asked = read_object(body, ACCEPTED)
    letter = read_letter(asked, fresh_id=order.fresh_id)
    write_letter(letter, write)
    mailbox = asked.get("mailbox")
    if mailbox is not None and not isinstance(mailbox, str):
        raise InvalidChangeError("the name of a mailbox is accepted", "mailbox")
    return Composed(Posted(), mailbox or "", letter.message_id == order.fresh_id)


def _bounded(write: Write, most: int) -> Write:
    size = 0

    def counted(piece: bytes) -> None:
        nonlocal size
        size += len(piece)
        if size > most:
            raise TooLargeError
        write(piece)

    return counted


def main() -> None:
    """The child: an order by standard input, the answer by standard output, each one line of JSON."""
    asked = json.loads(sys.stdin.buffer.readline())
    resource.setrlimit(resource.RLIMIT_AS, (asked["memory"],) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (asked["processor"],) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    mail = Path(asked["mail"])
    try:
        answer = _answer(Order(**asked["order"]), Path(asked["body"]), mail)
    except MemoryError:
        sys.exit(EXIT_MEMORY)
    sys.stdout.write(json.dumps(answer))


def _answer(order: Order, body: Path, mail: Path) -> dict[str, Any]:
    try:
        # The parent reads, syncs and removes the mail; the values have no name, so that nothing is left of them.
        with body.open("rb") as source, mail.open("xb") as out, TemporaryFile(dir=mail.parent) as values:
            return {"composed": asdict(composed(order, source, values, out.write))}
    except InvalidChangeError as error:
        return {"refused": [str(error), error.field]}
    except TooLargeError:
        return {"too_large": True}
    except OSError as error:
        return {"unavailable": error.strerror or "it cannot be written"}


if __name__ == "__main__":
    main()

"""What `run.py check` says of one mailbox: its folders, what would be read of them, what is done there afterwards."""

from datetime import UTC, datetime

from worker import baseline
from worker.imap import CommandRefusedError, Connection, Folder, connect
from worker.step import Step
from worker.wanted import wanted
from worker.watch import Watch, watches
from workitems.errors import StoreUnavailableError
from workitems.mailbox import Checkpoint, Mailbox
from workitems.redis import Client
from workitems.settings import MailboxSettings, Settings

#: Extensions of a mailbox's server that matter, and what they are for.
EXTENSIONS = {"IDLE": "tells of new mail at once", "MOVE": "moves mail", "UIDPLUS": "names moved mail"}

#: When mail is dealt with, in words.
_WHEN = {"published": "once its item is published", "done": "once its item is done or dismissed"}

#: What `after` may be, and an example of it to try on a folder.
_CHOICES = {"seen": "seen", "keyword:<name>": "keyword:Any", "move:<folder>": "move:\0"}


async def inspect(name: str, mailbox: MailboxSettings, settings: Settings, redis: Client) -> tuple[list[str], bool]:
    """Lines about one mailbox, and whether all can be done that is set. Changes nothing.

    Raises TubepostError and OSError where it cannot be opened at all.
    """
    folders = watches(name, mailbox, settings)
    connection = await connect(folders[0].account())
    try:
        step = Step.of(mailbox.after)
        lines, fine = [f"signed in; {_extensions(connection.capabilities)}"], True
        for each in folders:
            told, good = await _folder(each, connection, redis, None if each.own else step)
            lines += told
            fine = fine and good
        lines.append(f"afterwards, mail is {await _afterwards(step, mailbox, connection)}")
        return lines, fine
    finally:
        await connection.logout_and_close()


def _extensions(capabilities: frozenset[str]) -> str:
    offers = [name for name in EXTENSIONS if name in capabilities]
    lacks = [f"{name} ({why})" for name, why in EXTENSIONS.items() if name not in capabilities]
    told = f"the server offers {', '.join(offers) or 'none of the extensions that we know'}"
    return told + (f"; it lacks {', '.join(lacks)}" if lacks else "")


async def _afterwards(step: Step | None, mailbox: MailboxSettings, connection: Connection) -> str:
    if not step:
        return "left as it is"
    told = f"{step} {_WHEN[mailbox.when]}"
    if step.target and not await connection.has_folder(step.target):
        told += "; that folder is not there yet and will be made"
    return told


async def _folder(each: Watch, connection: Connection, redis: Client, step: Step | None) -> tuple[list[str], bool]:
    """Lines about one folder, and whether it can be read and *step* be done in it."""
    try:
        folder = await connection.select(each.folder)
    except CommandRefusedError as error:
        if connection.failure:
            raise
        return [f"{error}", "Check folder and sent: a name is written as the server shows it."], False
    kept = "kept" if folder.keywords_allowed else "not kept"
    lines = [f'"{each.folder}" holds {folder.exists} mails; {await _would_be_read(each, connection, folder, redis)}']
    lines[0] += f"; keywords are {kept}"
    hindrance = step.hindrance(each.folder, folder, connection.capabilities) if step else ""
    if not hindrance:
        return lines, True
    return [*lines, f"its mail can NOT be {step}: {hindrance}", _instead(each.folder, folder, connection)], False


def _instead(name: str, folder: Folder, connection: Connection) -> str:
    """What can be set in place of what the server cannot do."""
    able = [
        choice for choice, example in _CHOICES.items()
        if (step := Step.of(example)) and not step.hindrance(name, folder, connection.capabilities)
    ]  # fmt: skip
    return f"Set after to one of: {', '.join(['leave', *able])}."


async def _would_be_read(each: Watch, connection: Connection, folder: Folder, redis: Client) -> str:
    """How many mails a worker that starts now would read."""
    checkpoint, why = await _checkpoint(each, connection, folder, redis)
    return f"{len(await wanted(connection, checkpoint))} would be read now ({why})"


async def _checkpoint(each: Watch, connection: Connection, folder: Folder, redis: Client) -> tuple[Checkpoint, str]:
    following = folder.uidnext or max(await connection.search(1), default=0) + 1
    fresh = baseline.first_sight(each.start, folder, following, datetime.now(UTC).date())
    try:
        known = await Mailbox(redis, each.name, each.folder).checkpoint()
    except StoreUnavailableError:
        return fresh, f'by start = "{each.start}"; how far it was read stands in Redis, which cannot be asked'
    if known is None:
        return fresh, f'it was never read; start = "{each.start}"'
    if known.uidvalidity == folder.uidvalidity:
        return known, f"those after number {known.uid}, up to which it was read"
    return baseline.renumbered(known, folder, following), "its server numbered all mail anew; known ones come once only"

"""What `run.py check` prints about one mailbox: its folders, how much would be read, and the after-action."""

from datetime import UTC, datetime

from worker.imap import CommandRefusedError, Connection, Folder, connect
from worker.mailboxes import checkpoints
from worker.mailboxes.after_action import AfterAction
from worker.mailboxes.new_uids import count_assigned, find_next_uid, search_new
from worker.mailboxes.watched_folder import WatchedFolder, watched_folders
from workitems.base.errors import StoreUnavailableError
from workitems.base.redis import RedisClient
from workitems.mailboxes.checkpoint import Checkpoint, FolderRecord
from workitems.settings import MailboxSettings, Settings

#: Extensions of an IMAP server that matter, and what they are for.
EXTENSIONS = {"IDLE": "announces new mail at once", "MOVE": "moves mail", "UIDPLUS": "names moved mail"}

#: When the after-action is due, in words.
_WHEN = {"published": "once its item is published", "done": "once its item is done or dismissed"}

#: The values of `after_action`, and an example of each to test on a folder.
_CHOICES = {"seen": "seen", "keyword:<name>": "keyword:Any", "move:<folder>": "move:\0"}


async def check_mailbox(
    name: str, mailbox: MailboxSettings, settings: Settings, redis: RedisClient | None
) -> tuple[list[str], bool]:
    """Return lines about one mailbox, and whether all settings can work. Changes nothing.

    *redis* is None where it is unavailable. Raises TubepostError and OSError where it cannot be opened at all.
    """
    folders = watched_folders(name, mailbox, settings)
    connection = await connect(folders[0].get_account())
    try:
        action = AfterAction.from_setting(mailbox.after_action)
        lines, fine = [f"signed in; {_extensions(connection.capabilities)}"], True
        for each in folders:
            found, good = await _folder(each, connection, redis, None if each.is_own else action)
            lines += found
            fine = fine and good
        lines.append(f"after-action: mail is {await _describe_action(action, mailbox, connection)}")
        return lines, fine
    finally:
        await connection.logout_and_close()


def _extensions(capabilities: frozenset[str]) -> str:
    offers = [name for name in EXTENSIONS if name in capabilities]
    lacks = [f"{name} ({why})" for name, why in EXTENSIONS.items() if name not in capabilities]
    text = f"the server offers {', '.join(offers) or 'none of the extensions that we use'}"
    return text + (f"; it lacks {', '.join(lacks)}" if lacks else "")


async def _describe_action(action: AfterAction | None, mailbox: MailboxSettings, connection: Connection) -> str:
    if not action:
        return "left as it is"
    text = f"{action} {_WHEN[mailbox.after_action_on]}"
    if action.target_folder and not await connection.has_folder(action.target_folder):
        text += "; that folder does not exist yet and will be created"
    return text


async def _folder(
    each: WatchedFolder, connection: Connection, redis: RedisClient | None, action: AfterAction | None
) -> tuple[list[str], bool]:
    """Return lines about one folder, and whether it can be read and *action* be applied to its mail."""
    try:
        folder = await connection.select(each.folder)
    except CommandRefusedError as error:
        if connection.failure:
            raise
        return [f"{error}", "Check folders and sent_folder: a name is written as the server shows it."], False
    kept = "kept" if folder.has_any_keyword else "not kept"
    lines = [f'"{each.folder}" holds {folder.exists} mails; {await _would_be_read(each, connection, folder, redis)}']
    lines[0] += f"; keywords are {kept}"
    reason = action.unsupported_reason(each.folder, folder, connection.capabilities) if action else ""
    if not reason:
        return lines, True
    return [*lines, f"its mail can NOT be {action}: {reason}", _instead(each.folder, folder, connection)], False


def _instead(name: str, folder: Folder, connection: Connection) -> str:
    """Return what can be set instead of what the server does not support."""
    able = [
        choice
        for choice, example in _CHOICES.items()
        if (action := AfterAction.from_setting(example))
        and not action.unsupported_reason(name, folder, connection.capabilities)
    ]
    return f"Set after_action to one of: {', '.join(['leave', *able])}."


async def _would_be_read(each: WatchedFolder, connection: Connection, folder: Folder, redis: RedisClient | None) -> str:
    """Return how many mails a worker that starts now would read, and why."""
    next_uid = await find_next_uid(connection, folder)
    checkpoint, why = await _checkpoint(each, folder, next_uid, redis)
    uids = await search_new(connection, checkpoint)
    return f"{count_assigned(uids, next_uid)} would be read now ({why})"


async def _checkpoint(
    each: WatchedFolder, folder: Folder, next_uid: int, redis: RedisClient | None
) -> tuple[Checkpoint, str]:
    fresh = checkpoints.initial_checkpoint(each.start, folder, next_uid, datetime.now(UTC).date())
    unknown = fresh, f'by start = "{each.start}"; how far it was read is unknown, since Redis is unavailable'
    if redis is None:
        return unknown
    try:
        known = await FolderRecord(redis, each.mailbox, each.folder).checkpoint()
    except StoreUnavailableError:
        return unknown
    if known is None:
        return fresh, f'it was never read; start = "{each.start}"'
    if known.uidvalidity == folder.uidvalidity:
        return known, f"those after UID {known.uid}, up to which it was read"
    return checkpoints.checkpoint_after_renumbering(
        known, folder, next_uid
    ), "its UIDVALIDITY has changed; mail that is known is not read twice"

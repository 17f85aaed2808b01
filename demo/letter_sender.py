"""Send demo letters to a mailbox by IMAP APPEND, one after another, and remove old ones that the worker has read."""

import asyncio
import contextlib
import imaplib
import itertools
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from demo.letters import compose, letters
from demo.letters.compose import OURS
from workitems.base.backoff import delay
from workitems.base.log import get_logger

log = get_logger("letters")

#: Letters a minute, when nothing else is set.
LETTERS_PER_MINUTE = 12.0

#: How many letters are sent quickly, so that the page is not empty at first.
QUICK = 6

#: Seconds between the quick ones.
QUICK_PAUSE = 1.0

#: Letters that stay in the mailbox. Its server holds them in memory: 416 MB after 5,000 letters.
MAX_KEPT = 200

#: Letters that may wait for the worker. Then no more are sent until it has read some.
MAX_UNREAD = 500

#: Letters between two removals of old ones.
REMOVE_EVERY = 20

#: Seconds between two checks whether the worker has read letters.
UNREAD_PAUSE = 1.0

#: Seconds that the mailbox has for each answer.
TIMEOUT = 10.0

#: Failed attempts that are not logged: the mailbox is started together with us.
SILENT = 3

#: The longest pause between two attempts to reach the mailbox, in seconds.
LONGEST_PAUSE = 5.0

Result = TypeVar("Result")


async def send_letters(host: str, port: int, user: str, password: str, rate: float = LETTERS_PER_MINUTE) -> None:
    """Send *rate* letters a minute until cancelled; retry without end when the mailbox does not answer or refuses.

    With rate 0 it sends none and waits, so that a supervisor does not start it again.
    """
    if rate <= 0:
        log.info("no letters are sent", rate=rate)
        await asyncio.Event().wait()
    sender = LetterSender(partial(connect, host, port, user, password))
    try:
        for sent, mail in enumerate(mails(random.Random()), 1):
            await sender.deliver(mail(now=datetime.now(UTC)))
            if sent % REMOVE_EVERY == 0:
                await _remove_old(sender)
            await asyncio.sleep(pause(sent, rate))
    finally:
        sender.hang_up()


async def _remove_old(sender: "LetterSender") -> None:
    """Remove old letters; wait while too many are unread, since only letters that were read may be removed."""
    unread = await sender.remove_read()
    if unread >= MAX_UNREAD:
        log.warning("no letters are sent until the worker has read some", unread=unread)
    while unread >= MAX_UNREAD:
        await asyncio.sleep(UNREAD_PAUSE)
        unread = await sender.remove_read()


def mails(pick: random.Random) -> Iterator[Callable[..., bytes]]:
    """Yield functions that make a mail when called with `now`: all letters in order, again and again, as new mails."""
    for serial in itertools.count(1):
        seed = pick.getrandbits(64)
        for letter in letters():
            # Letters of one conversation use the same seed, so that names, numbers and the Message-ID agree.
            same = random.Random(f"{seed}:{letter.conversation}")
            yield partial(compose, letter, serial=serial, pick=same)


def pause(sent: int, rate: float) -> float:
    """Return the seconds to wait after letter number *sent* at *rate* letters a minute."""
    return min(QUICK_PAUSE, 60 / rate) if sent < QUICK else 60 / rate


class LetterSender:
    """Works on the mailbox by one connection, and by a new one whenever the old one fails."""

    def __init__(self, connect: Callable[[], imaplib.IMAP4]) -> None:
        self._connect = connect
        self._mailbox: imaplib.IMAP4 | None = None

    async def deliver(self, mail: bytes) -> None:
        """Put *mail* into the mailbox, however long that takes.

        When an answer gets lost, the same bytes come twice: the same Message-ID, so the same work item.
        """
        await self._retry(partial(append, mail=mail))

    async def remove_read(self) -> int:
        """Remove old letters that were read; return how many are not read yet."""
        return await self._retry(remove_read)

    async def _retry(self, work: Callable[[imaplib.IMAP4], Result]) -> Result:
        for attempt in itertools.count():
            try:
                if not self._mailbox:
                    self._mailbox = await _in_thread(self._connect)
                return await _in_thread(partial(work, self._mailbox))
            except (OSError, imaplib.IMAP4.error) as error:
                self.hang_up()
                if attempt >= SILENT:
                    log.warning("mailbox not reached, trying again", attempt=attempt + 1, error=type(error).__name__)
                await asyncio.sleep(delay(attempt, base=0.2, cap=LONGEST_PAUSE))
        raise AssertionError("unreachable")

    def hang_up(self) -> None:
        """Close the connection without LOGOUT; a thread that waits for it gets an error. May be called again."""
        mailbox, self._mailbox = self._mailbox, None
        if mailbox:
            _close(mailbox)


class _Mailbox(imaplib.IMAP4):
    """An IMAP client without Nagle's algorithm: it would delay the second of the two writes of an APPEND by 40 ms."""

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        super().open(host, port, timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def connect(host: str, port: int, user: str, password: str) -> imaplib.IMAP4:
    """Return a signed-in connection. Raises OSError and IMAP4.error. Blocks."""
    mailbox = _Mailbox(host, port, timeout=TIMEOUT)
    with contextlib.ExitStack() as failed:
        failed.callback(_close, mailbox)
        mailbox.login(user, password)
        failed.pop_all()
    return mailbox


def append(mailbox: imaplib.IMAP4, mail: bytes) -> None:
    """Add *mail* to the INBOX, unread, with INTERNALDATE now. Raises OSError and IMAP4.error. Blocks."""
    received = imaplib.Time2Internaldate(datetime.now(UTC))
    _checked(mailbox.append("INBOX", "", received, mail))


def remove_read(mailbox: imaplib.IMAP4) -> int:
    r"""Remove the oldest demo letters that are \Seen until MAX_KEPT mails are left; return the number of unread mails.

    The demo's worker sets \Seen when it has published a mail, so none is removed before. Blocks.
    """
    counts = _checked(mailbox.status("INBOX", "(MESSAGES UNSEEN)"))[0].rpartition(b"(")[2].rstrip(b")").split()
    too_many, unread = int(counts[1]) - MAX_KEPT, int(counts[3])
    if too_many > 0:
        _checked(mailbox.select("INBOX"))
        read = sorted(_checked(mailbox.uid("SEARCH", f"SEEN HEADER Received {OURS}"))[0].split(), key=int)
        if old := b",".join(read[:too_many]).decode():
            _checked(mailbox.uid("STORE", old, "+FLAGS.SILENT", r"(\Deleted)"))
        _checked(mailbox.close())  # which expunges
    return unread


def _checked(answer: tuple[str, list[Any]]) -> list[Any]:
    if answer[0] != "OK":
        raise imaplib.IMAP4.error(f"the mailbox answered {answer[0]}")
    return answer[1]


def _close(mailbox: imaplib.IMAP4) -> None:
    with contextlib.suppress(OSError):
        # First the socket: closing its file waits for the thread that reads from it.
        mailbox.sock.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        mailbox.shutdown()


async def _in_thread(work: Callable[[], Result]) -> Result:
    """Do blocking *work* in a thread, and do not wait for the thread when cancelled.

    asyncio.to_thread would keep the process alive until a silent mailbox has used up its time-out.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def set_outcome(set_it: Callable[..., None], outcome: object) -> None:
        if not done.done():
            set_it(outcome)

    def target() -> None:
        report = partial(set_outcome, done.set_exception, RuntimeError("a thread failed; its traceback is in the log"))
        try:
            report = partial(set_outcome, done.set_result, work())
        except (OSError, imaplib.IMAP4.error) as error:
            report = partial(set_outcome, done.set_exception, error)
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits for the result
                loop.call_soon_threadsafe(report)

    threading.Thread(target=target, name="letters", daemon=True).start()
    return await done


async def _until_stopped(host: str, port: int, user: str, password: str, rate: float) -> None:
    task = asyncio.create_task(send_letters(host, port, user, password, rate))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def run(host: str, port: int, user: str, password: str, rate: float) -> None:
    """Send *rate* letters a minute until SIGTERM or SIGINT (0: send none and wait for the signal)."""
    asyncio.run(_until_stopped(host, port, user, password, rate))

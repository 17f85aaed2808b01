"""Brings demo letters into a mailbox by IMAP APPEND, one after another, as long as it runs."""

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
from typing import TypeVar

from demo.letters import compose, letters
from workitems.backoff import delay
from workitems.log import get_logger

log = get_logger("post")

#: Letters a minute, when nothing else is asked for.
RATE = 12.0

#: How many letters come quickly, so that a first look is not at an empty page.
QUICK = 6

#: Seconds between the quick ones.
QUICK_PAUSE = 1.0

#: Seconds that the mailbox has for each answer.
TIMEOUT = 10.0

#: Tries that fail without a word: the mailbox is started together with us.
SILENT = 3

#: The longest pause between two tries to reach the mailbox, in seconds.
LONGEST_PAUSE = 5.0

Result = TypeVar("Result")


async def post(host: str, port: int, user: str, password: str, rate: float = RATE) -> None:
    """Send *rate* letters a minute until cancelled; a mailbox that is away or refuses is tried again, for ever.

    With rate 0 none is sent, but it goes on waiting, so that a supervisor does not start it again.
    """
    if rate <= 0:
        log.info("no letters are sent", rate=rate)
        await asyncio.Event().wait()
    carrier = Carrier(partial(connect, host, port, user, password))
    try:
        for sent, mail in enumerate(mails(random.Random()), 1):
            await carrier.deliver(mail(now=datetime.now(UTC)))
            await asyncio.sleep(pause(sent, rate))
    finally:
        carrier.hang_up()


def mails(pick: random.Random) -> Iterator[Callable[..., bytes]]:
    """Every letter in its order, round after round, each time as another mail; each is made when called with `now`."""
    for serial in itertools.count(1):
        seed = pick.getrandbits(64)
        for letter in letters():
            # Letters of one conversation draw from the same seed: they agree on names, numbers and the Message-ID.
            same = random.Random(f"{seed}:{letter.conversation}")
            yield partial(compose, letter, serial=serial, pick=same)


def pause(sent: int, rate: float) -> float:
    """Seconds to wait after the *sent*-th letter at *rate* letters a minute."""
    return min(QUICK_PAUSE, 60 / rate) if sent < QUICK else 60 / rate


class Carrier:
    """Delivers mails by one connection, and by a new one whenever the old one fails."""

    def __init__(self, connect: Callable[[], imaplib.IMAP4]) -> None:
        self._connect = connect
        self._mailbox: imaplib.IMAP4 | None = None

    async def deliver(self, mail: bytes) -> None:
        """Put *mail* into the mailbox, however long that takes.

        Should an answer get lost, the same bytes come twice: the same Message-ID, so the same work item.
        """
        for attempt in itertools.count():
            try:
                if not self._mailbox:
                    self._mailbox = await _in_thread(self._connect)
                return await _in_thread(partial(append, self._mailbox, mail))
            except (OSError, imaplib.IMAP4.error) as error:
                self.hang_up()
                if attempt >= SILENT:
                    log.warning("mailbox not reached, trying again", attempt=attempt + 1, error=type(error).__name__)
                await asyncio.sleep(delay(attempt, base=0.2, cap=LONGEST_PAUSE))
        raise AssertionError("unreachable")

    def hang_up(self) -> None:
        """Close the connection without a word; a thread that waits on it wakes with an error. Twice does no harm."""
        mailbox, self._mailbox = self._mailbox, None
        if mailbox:
            _close(mailbox)


class _Mailbox(imaplib.IMAP4):
    """An IMAP client that writes at once: an APPEND sends twice, and Nagle would hold the second back for 40 ms."""

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        super().open(host, port, timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def connect(host: str, port: int, user: str, password: str) -> imaplib.IMAP4:
    """A signed-in connection; OSError or IMAP4.error when that fails. Blocks."""
    mailbox = _Mailbox(host, port, timeout=TIMEOUT)
    try:
        mailbox.login(user, password)
    except BaseException:
        _close(mailbox)
        raise
    return mailbox


def append(mailbox: imaplib.IMAP4, mail: bytes) -> None:
    """Lay *mail* into the INBOX, unread and dated now; IMAP4.error when it is refused. Blocks."""
    arrived = imaplib.Time2Internaldate(datetime.now(UTC))
    answer, _ = mailbox.append("INBOX", "", arrived, mail)
    if answer != "OK":
        raise imaplib.IMAP4.error(f"APPEND was answered {answer}")


def _close(mailbox: imaplib.IMAP4) -> None:
    with contextlib.suppress(OSError):
        # First the socket: closing its file waits for the thread that reads from it.
        mailbox.sock.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        mailbox.shutdown()


async def _in_thread(work: Callable[[], Result]) -> Result:
    """Do blocking *work* on a thread that nobody waits for when we are cancelled.

    asyncio.to_thread would keep the process until a mailbox that says nothing has used up its time-out.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def settle(set_it: Callable[..., None], outcome: object) -> None:
        if not done.done():
            set_it(outcome)

    def target() -> None:
        try:
            settled = partial(settle, done.set_result, work())
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            settled = partial(settle, done.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settled)

    threading.Thread(target=target, name="post", daemon=True).start()
    return await done


async def _until_stopped(host: str, port: int, user: str, password: str, rate: float) -> None:
    task = asyncio.create_task(post(host, port, user, password, rate))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def run(host: str, port: int, user: str, password: str, rate: float) -> None:
    """Send *rate* letters a minute until SIGTERM or SIGINT (0: send none and wait for the signal)."""
    asyncio.run(_until_stopped(host, port, user, password, rate))

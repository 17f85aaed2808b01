"""Letters reach a real mailbox unchanged and at the set rate, also when the mailbox restarts."""

import asyncio
import contextlib
import imaplib
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from functools import partial

import pytest

from demo import letter_sender
from tests.demo.conftest import PATIENCE, wait_for

#: The program, with a mailbox time-out so long that a program that waits for it does not end in time.
PROGRAM = """
import sys
from demo import letter_sender
from workitems.base.log import configure
configure()
letter_sender.TIMEOUT = 3600
letter_sender.run(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5]))
"""


@pytest.fixture
def log_file(tmp_path):
    """The log of the program."""
    return tmp_path / "letter_sender.log"


@pytest.fixture
def start_sender(demo_mailbox, log_file):
    """Start `demo.letter_sender.run` as a program, as supervisord does."""
    started = []

    def start(rate, *, port=None, password=None):
        where = [demo_mailbox.host, str(port or demo_mailbox.port)]
        who = [demo_mailbox.user, password or demo_mailbox.password]
        with log_file.open("w") as log:
            process = subprocess.Popen([sys.executable, "-c", PROGRAM, *where, *who, str(rate)], stderr=log)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(PATIENCE)


def fetch_all(demo_mailbox):
    with demo_mailbox.client() as client:
        numbers = client.search(None, "ALL")[1][0].split()
        return [client.fetch(number.decode(), "(FLAGS INTERNALDATE BODY.PEEK[])")[1][0] for number in numbers]


def end(process):
    """Send SIGTERM; return the exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE)


async def test_another_client_reads_every_letter_as_it_was_composed(demo_mailbox):
    demo_mailbox.start()
    round_ = letter_sender.mails(random.Random(7))
    sent = [next(round_)(now=datetime.now(UTC)) for _ in letter_sender.letters()]
    sender = letter_sender.LetterSender(
        partial(letter_sender.connect, demo_mailbox.host, demo_mailbox.port, demo_mailbox.user, demo_mailbox.password)
    )
    try:
        for mail in sent:
            await sender.deliver(mail)
    finally:
        sender.hang_up()

    received = fetch_all(demo_mailbox)

    assert [raw for _, raw in received] == sent
    for head, _ in received:
        arrived = time.mktime(imaplib.Internaldate2tuple(head))
        assert abs(time.time() - arrived) < PATIENCE
        assert rb"\Seen" not in head


def test_letters_arrive_and_sigterm_ends_the_program_at_once(demo_mailbox, start_sender):
    demo_mailbox.start()
    process = start_sender(6000)

    wait_for(lambda: len(demo_mailbox.numbers()) > 5)

    assert end(process) == 0


def test_the_sender_waits_for_a_mailbox_that_starts_late_and_for_one_that_restarts(
    demo_mailbox, start_sender, log_file
):
    process = start_sender(6000)
    wait_for(lambda: "mailbox not reached" in log_file.read_text())  # it was there before the mailbox

    demo_mailbox.start()
    wait_for(demo_mailbox.numbers)
    demo_mailbox.stop()
    demo_mailbox.start()
    wait_for(demo_mailbox.numbers)

    assert end(process) == 0


def test_a_refused_password_is_retried_and_not_logged(demo_mailbox, start_sender, log_file):
    demo_mailbox.start()
    process = start_sender(6000, password="wrong-one")

    wait_for(lambda: log_file.read_text().count("trying again") >= 2)

    assert process.poll() is None
    assert "wrong-one" not in log_file.read_text()
    assert end(process) == 0


def test_sigterm_ends_the_program_also_while_the_mailbox_does_not_answer(start_sender):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        process = start_sender(60, port=silent.getsockname()[1])
        with contextlib.closing(silent.accept()[0]):
            assert end(process) == 0


def test_with_rate_zero_the_program_sends_nothing_and_runs_until_sigterm(demo_mailbox, start_sender, log_file):
    demo_mailbox.start()
    process = start_sender(0)

    wait_for(lambda: "no letters are sent" in log_file.read_text())
    assert process.poll() is None
    assert demo_mailbox.numbers() == []
    assert end(process) == 0


async def test_a_cancelled_sender_leaves_no_thread(demo_mailbox):
    demo_mailbox.start()
    task = asyncio.create_task(
        letter_sender.send_letters(demo_mailbox.host, demo_mailbox.port, demo_mailbox.user, demo_mailbox.password, 6000)
    )
    await asyncio.to_thread(wait_for, demo_mailbox.numbers)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_for, lambda: all(thread.name != "letters" for thread in threading.enumerate()))


def mark_all_seen(demo_mailbox):
    with demo_mailbox.client() as client:
        client.select("INBOX")
        client.store("1:*", "+FLAGS.SILENT", r"(\Seen)")


def test_of_the_letters_that_were_read_the_newest_stay(demo_mailbox, monkeypatch):
    demo_mailbox.start()
    monkeypatch.setattr(letter_sender, "MAX_KEPT", 5)
    letters = letter_sender.mails(random.Random(3))
    sent = []
    client = letter_sender.connect(demo_mailbox.host, demo_mailbox.port, demo_mailbox.user, demo_mailbox.password)
    with client:
        for _ in range(10):
            for _ in range(4):
                sent.append(next(letters)(now=datetime.now(UTC)))
                letter_sender.append(client, sent[-1])
            assert letter_sender.remove_read(client) == 4
            mark_all_seen(demo_mailbox)
            letter_sender.remove_read(client)
            assert [raw for _, raw in fetch_all(demo_mailbox)] == sent[-5:]


def test_neither_unread_letters_nor_other_mail_are_removed(demo_mailbox, monkeypatch):
    demo_mailbox.start()
    monkeypatch.setattr(letter_sender, "MAX_KEPT", 0)
    letters = letter_sender.mails(random.Random(3))
    client = letter_sender.connect(demo_mailbox.host, demo_mailbox.port, demo_mailbox.user, demo_mailbox.password)
    with client:
        letter_sender.append(client, b"From: ana@example.com\r\nSubject: a real mail\r\n\r\nText\r\n")
        mark_all_seen(demo_mailbox)
        unread = next(letters)(now=datetime.now(UTC))
        letter_sender.append(client, unread)
        assert letter_sender.remove_read(client) == 1
        assert len(fetch_all(demo_mailbox)) == 2
        mark_all_seen(demo_mailbox)
        assert letter_sender.remove_read(client) == 0
        assert b"a real mail" in fetch_all(demo_mailbox)[0][1]
        assert len(fetch_all(demo_mailbox)) == 1


async def test_no_letters_are_sent_while_too_many_are_unread(demo_mailbox, monkeypatch):
    demo_mailbox.start()
    for name, value in (("MAX_KEPT", 3), ("MAX_UNREAD", 4), ("REMOVE_EVERY", 2), ("UNREAD_PAUSE", 0.01)):
        monkeypatch.setattr(letter_sender, name, value)
    paused = asyncio.Event()
    monkeypatch.setattr(letter_sender.log, "warning", lambda *_, **__: paused.set(), raising=False)
    where = (demo_mailbox.host, demo_mailbox.port, demo_mailbox.user, demo_mailbox.password)
    task = asyncio.create_task(letter_sender.send_letters(*where, 6000))
    try:
        for _ in range(3):
            async with asyncio.timeout(PATIENCE):
                await paused.wait()
            assert len(await asyncio.to_thread(demo_mailbox.numbers)) <= 3 + 4
            paused.clear()
            await asyncio.to_thread(mark_all_seen, demo_mailbox)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_the_first_letters_are_sent_faster_and_the_rest_at_the_rate():
    assert [letter_sender.pause(sent, 12) for sent in (1, 5, 6, 100)] == [1, 1, 5, 5]
    assert letter_sender.pause(1, 600) == letter_sender.pause(50, 600) == 0.1


def test_a_round_has_every_letter_and_its_conversations_agree():
    bag = letter_sender.mails(random.Random(1))
    first = [next(bag) for _ in letter_sender.letters()]
    now = datetime.now(UTC)
    raw = {mail.args[0].name: mail(now=now) for mail in first}

    question = next(line for line in raw["17-quote-request"].split(b"\r\n") if line.startswith(b"Message-ID: "))
    assert question.replace(b"Message-ID", b"In-Reply-To") in raw["18-quote-request-answer"]
    assert next(bag).keywords["serial"] == 2

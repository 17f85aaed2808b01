"""Letters reach a real mailbox as they are, at the pace asked for, whatever happens to it."""

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

from demo import post
from tests.demo.conftest import PATIENCE, wait_for

#: Seconds in which a program ends that waits for nothing; far below `post.TIMEOUT`, far above what it needs.
AT_ONCE = 5

PROGRAM = """
import sys
from demo.post import run
from workitems.log import configure
configure()
run(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5]))
"""


@pytest.fixture
def log_file(tmp_path):
    """What the program has logged."""
    return tmp_path / "post.log"


@pytest.fixture
def start_post(demo_mailbox, log_file):
    """Starts `demo.post.run` as a program of its own, as supervisord would."""
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
    """SIGTERM; the exit code and the seconds that it took."""
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    return process.wait(PATIENCE), time.monotonic() - asked


async def test_another_client_reads_every_letter_as_it_was_composed(demo_mailbox):
    demo_mailbox.start()
    one_round = post.mails(random.Random(7))
    sent = [next(one_round)(now=datetime.now(UTC)) for _ in post.letters()]
    carrier = post.Carrier(
        partial(post.connect, demo_mailbox.host, demo_mailbox.port, demo_mailbox.user, demo_mailbox.password)
    )
    try:
        for mail in sent:
            await carrier.deliver(mail)
    finally:
        carrier.hang_up()

    received = fetch_all(demo_mailbox)

    assert [raw for _, raw in received] == sent
    for head, _ in received:
        arrived = time.mktime(imaplib.Internaldate2tuple(head))
        assert abs(time.time() - arrived) < PATIENCE
        assert rb"\Seen" not in head


def test_letters_come_and_sigterm_ends_it_at_once(demo_mailbox, start_post):
    demo_mailbox.start()
    process = start_post(6000)

    wait_for(lambda: len(demo_mailbox.numbers()) > 5)

    code, seconds = end(process)
    assert code == 0
    assert seconds < AT_ONCE


def test_the_post_waits_for_a_mailbox_that_starts_late_and_one_that_starts_again(demo_mailbox, start_post, log_file):
    process = start_post(6000)
    wait_for(lambda: "mailbox not reached" in log_file.read_text())  # it was there before the mailbox

    demo_mailbox.start()
    wait_for(demo_mailbox.numbers)
    demo_mailbox.stop()
    demo_mailbox.start()
    wait_for(demo_mailbox.numbers)

    assert end(process)[0] == 0


def test_a_refused_password_is_tried_again_and_not_logged(demo_mailbox, start_post, log_file):
    demo_mailbox.start()
    process = start_post(6000, password="wrong-one")

    wait_for(lambda: log_file.read_text().count("trying again") >= 2)

    assert process.poll() is None
    assert "wrong-one" not in log_file.read_text()
    assert end(process)[0] == 0


def test_sigterm_ends_it_also_while_the_mailbox_says_nothing(start_post):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        process = start_post(60, port=silent.getsockname()[1])
        with contextlib.closing(silent.accept()[0]):
            code, seconds = end(process)

    assert code == 0
    assert seconds < AT_ONCE


def test_with_rate_zero_nothing_is_sent_and_it_waits_for_its_end(demo_mailbox, start_post, log_file):
    demo_mailbox.start()
    process = start_post(0)

    wait_for(lambda: "no letters are sent" in log_file.read_text())
    assert process.poll() is None
    assert demo_mailbox.numbers() == []
    assert end(process)[0] == 0


async def test_a_cancelled_post_leaves_no_thread(demo_mailbox):
    demo_mailbox.start()
    task = asyncio.create_task(
        post.post(demo_mailbox.host, demo_mailbox.port, demo_mailbox.user, demo_mailbox.password, 6000)
    )
    await asyncio.to_thread(wait_for, demo_mailbox.numbers)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_for, lambda: all(thread.name != "post" for thread in threading.enumerate()))


def test_the_first_letters_come_quicker_and_the_rest_at_the_rate():
    assert [post.pause(sent, 12) for sent in (1, 5, 6, 100)] == [1, 1, 5, 5]
    assert post.pause(1, 600) == post.pause(50, 600) == 0.1


def test_a_round_brings_every_letter_and_its_conversations_agree():
    bag = post.mails(random.Random(1))
    first = [next(bag) for _ in post.letters()]
    now = datetime.now(UTC)
    raw = {mail.args[0].name: mail(now=now) for mail in first}

    question = next(line for line in raw["17-quote-request"].split(b"\r\n") if line.startswith(b"Message-ID: "))
    assert question.replace(b"Message-ID", b"In-Reply-To") in raw["18-quote-request-answer"]
    assert next(bag).keywords["serial"] == 2

"""How long ordinary mail waits in the first lane beside a hundred costly mails, in a time that is only counted."""

from contextlib import AsyncExitStack

import pytest

from tests.worker.polled_mailbox import make_mail
from worker.publishing.sender_budgets import sender_of
from worker.publishing.version_reader import slice_time
from worker.sandbox.jobs import Job, JobQueue

#: CPU seconds of mail that is costly, and of ordinary mail.
COSTLY_SECONDS, ORDINARY_SECONDS = 1.5, 0.005

#: A header by which a mail seems to have a file.
FILE = "Content-Disposition: attachment; filename=letter.docx\r\n"


def of_own_domain(n: int, *, text: str = "Hello", headers: str = "") -> bytes:
    return make_mail(n, text=text, headers=headers).replace(b"sender.example", b"d%d.example" % n)


async def waits(costly: list[bytes], ordinary: list[bytes], children: int = 2) -> list[float]:
    """Return the seconds that each ordinary mail waits: all costly mail comes first, then one mail every 50 ms."""
    async with AsyncExitStack() as stack:
        arrivals = [(0.0, raw, COSTLY_SECONDS) for raw in costly]
        arrivals += [(n / 20, raw, ORDINARY_SECONDS) for n, raw in enumerate(ordinary)]
        queue, free, jobs, found = JobQueue(60.0, children), [0.0] * children, dict[Job, tuple[float, float]](), []
        while arrivals or len(queue):
            now = min(free)
            while arrivals and (arrivals[0][0] <= now or not len(queue)):
                at, raw, seconds = arrivals.pop(0)
                job = Job(raw, "desk", slice_time(len(raw)).text, 0.0, 1.0, sender_of(raw))
                await stack.enter_async_context(job.wait_timeout)
                queue.append(job)
                jobs[job] = at, seconds
                now = max(now, at)
            end = now
            for job in queue.take_share([]):
                at, seconds = jobs[job]
                end += min(seconds, job.seconds)
                if seconds == ORDINARY_SECONDS:
                    found.append(end - at)
            free[free.index(min(free))] = end
    return found


@pytest.mark.parametrize(
    ("costly", "ordinary", "most"),
    [
        ({"text": "x" * 1_000_000}, {}, 0.1),
        ({"text": "x" * 1_000_000}, {"headers": FILE, "text": "x" * 200_000}, 0.1),
        ({"headers": FILE}, {}, 0.1),
        ({"headers": FILE}, {"headers": FILE}, 2.0),
        ({}, {}, 2.0),
    ],
    ids=["large", "large, beside files", "files", "files, beside the same", "of the same look"],
)
async def test_ordinary_mail_waits_less_than_two_seconds_for_a_hundred_costly_mails_and_less_if_they_look_costly(
    costly: dict[str, str], ordinary: dict[str, str], most: float
) -> None:
    many = [of_own_domain(n, **costly) for n in range(100)]
    found = await waits(many, [of_own_domain(1000 + n, **ordinary) for n in range(100)])
    assert len(found) == 100
    assert max(found) < most

"""The metrics of the intake and its mailboxes: what all processes see alike, so each scrape has them once."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from server.status.health import IntakeHealth
from workitems.mailboxes.checkpoint import WATCHING
from workitems.status.process_metrics import gauge, labelled_gauge

_MAILBOX_UP = ("mailbox_up", "1 while the mailbox is watched without a fault", "mailbox")
_WORKER_UP = ("worker_up", "1 while a worker is alive")


def intake_metrics(seen: IntakeHealth | None, mailboxes: Iterable[str]) -> Iterator[Metric]:
    """Yield the metrics of *seen*; None: Redis does not say it, so no mailbox is known to be watched."""
    if seen is None:
        yield gauge(*_WORKER_UP, 0.0)
        yield labelled_gauge(*_MAILBOX_UP, [(name, 0.0) for name in mailboxes])
        return
    yield gauge(*_WORKER_UP, float(seen.workers > 0))
    yield gauge("workers", "Workers that are alive", seen.workers)
    yield gauge("intake_waiting", "Mails that wait to be read", seen.waiting)
    oldest = _age(seen.waiting_since, seen.at)
    yield gauge("intake_oldest_age_seconds", "Seconds that the oldest of them has waited", oldest)
    yield gauge("quarantine_items", "Items whose mail could not be read as it should", seen.quarantined)
    oldest = _age(seen.quarantined_since, seen.at)
    yield gauge("quarantine_oldest_age_seconds", "Seconds since the oldest of them was quarantined", oldest)
    up = [(each.name, float(each.state == WATCHING and seen.workers > 0)) for each in seen.mailboxes]
    yield labelled_gauge(*_MAILBOX_UP, up)
    pending = [(each.name, each.pending_actions) for each in seen.mailboxes]
    yield labelled_gauge("pending_actions", "After-actions that are not done yet", "mailbox", pending)
    yield from _folders(seen)


def _folders(seen: IntakeHealth) -> Iterator[Metric]:
    labels = ["mailbox", "folder"]
    age = GaugeMetricFamily(
        "tubepost_folder_check_age_seconds", "Seconds since a check of the folder was completed", labels=labels
    )
    baselines = CounterMetricFamily(
        "tubepost_folder_baselines", "Times that a new checkpoint was set because UIDVALIDITY changed", labels=labels
    )
    taken = GaugeMetricFamily("tubepost_backlog_taken_mails", "Old mails taken so far", labels=labels)
    todo = GaugeMetricFamily("tubepost_backlog_expected_mails", "Old mails to take in all", labels=labels)
    for name, folder in ((mailbox.name, each) for mailbox in seen.mailboxes for each in mailbox.folders):
        where = [name, folder.folder]
        if folder.checked:
            age.add_metric(where, _age(folder.checked, seen.at))
        baselines.add_metric(where, folder.baselines)
        if folder.progress:
            taken.add_metric(where, folder.progress.taken)
            todo.add_metric(where, folder.progress.todo)
    yield from (age, baselines, taken, todo)


def _age(since: float | None, now: float) -> float:
    return max(0.0, now - since) if since else 0.0

"""The work of a trial that an administrator asked for by HTTP: rules of the request on the newest stored mails."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from worker.jobs.rules_trial import FieldTrial, Trial, newest_items, trial_sandbox, try_rules
from worker.sandbox.frames import EncodedRules
from workitems.base.json_codec import encode_json_str
from workitems.base.threads import run_alone
from workitems.jobs.job import DONE, JobReport
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore
from workitems.settings import Settings
from workitems.settings.rules_check import check_rules

Json = dict[str, Any]

#: Seconds after which a trial ends with what was read by then.
TRIAL_SECONDS = 120.0

#: Characters of a value in an example.
WIDTH = 100


class TrialWork:
    """Does the trials of one worker."""

    def __init__(
        self,
        mailstore: MailStore,
        store: ItemStore,
        settings: Settings,
        encode_rules: Callable[[Settings], EncodedRules],
        *,
        seconds: float = TRIAL_SECONDS,
    ) -> None:
        self._mailstore = mailstore
        self._store = store
        self._settings = settings
        self._encode_rules = encode_rules
        self._seconds = seconds

    async def __call__(self, request: Json, report_progress: Callable[[Json], object]) -> JobReport:
        """Try the rules of *request*. Raises SandboxUnavailableError, StoreUnavailableError, InvalidChangeError."""
        # The server had the patterns checked in a child, and the reading child checks them once more.
        fields = await run_alone(check_rules, request["rules"], compiles=False)
        rules = self._encode_rules(self._settings.model_copy(update={"fields": fields}))
        items = await newest_items(self._store, request["mailbox"], request["last"])
        trial, sandbox = Trial(), trial_sandbox(rules, self._settings.worker)

        def report(seen: int) -> None:
            report_progress({"seen": seen, "total": len(items)})

        report(0)
        try:
            with suppress(TimeoutError):  # what was read until then is worth something
                async with asyncio.timeout(self._seconds):
                    await sandbox.start()
                    seconds = self._settings.worker.retry_read_seconds
                    await try_rules(trial, items, self._mailstore, sandbox, seconds=seconds, on_mail=report)
        finally:
            await sandbox.close()
        progress = {"seen": trial.mails + trial.unread, "total": len(items)}
        return JobReport(DONE, progress, answer=trial_to_json(trial), items=[item.id for item in items])


def trial_to_json(trial: Trial) -> Json:
    """Return the trial for the API: values are short texts, null for no value."""
    return {
        "mails": trial.mails,
        "unread": trial.unread,
        "fields": {name: _field_to_json(found) for name, found in sorted(trial.fields.items())},
    }


def _field_to_json(found: FieldTrial) -> Json:
    examples = [
        {"reference": reference, "before": short_text(old), "after": short_text(new)}
        for reference, old, new in found.examples
    ]
    return asdict(found) | {"examples": examples}


def short_text(value: Any, width: int = WIDTH) -> str | None:
    """Return a value as text of at most *width* characters; None for no value."""
    if value is None:
        return None
    text = value if isinstance(value, str) else encode_json_str(value)
    return text if len(text) <= width else text[: width - 1] + "…"

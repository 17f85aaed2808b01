"""What is wrong with the field rules of the workers, by their heartbeats."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from workitems.status.finding import Finding

#: Findings at most, one for each different error, and names of workers in one.
MAX_FINDINGS, MAX_NAMES = 5, 3

_ADVICE = (
    "Mail is read with the former rules until an administrator mends that file; then it is used within five seconds."
)


def judge_rules(errors: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return what is wrong; *errors*: live worker → why the rules in its settings file are not in use, '' for none."""
    workers: dict[str, list[str]] = defaultdict(list)
    for worker, error in sorted(errors.items()):
        if error:
            workers[error].append(worker)
    return tuple(
        Finding(
            "rules",
            f"those in the settings file are not used by {list_names(names)}: {error.rstrip('.')}",
            _ADVICE,
            is_error=True,
        )
        for error, names in list(workers.items())[:MAX_FINDINGS]
    )


def list_names(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"{', '.join(names[:MAX_NAMES])}{more}"

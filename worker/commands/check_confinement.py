"""What `run.py check` finds about the children that work on what strangers wrote: whether they can be confined."""

from workitems.confinement import start
from workitems.confinement.probe import find_missing_steps
from workitems.status.finding import Finding

_ADVICE = (
    f"Use a newer kernel, or a container that allows it; until then they run with less protection ({start.DOCUMENT})."
)


async def check_confinement() -> tuple[str, list[Finding]]:
    """Return that children are confined on this machine, or what is missing."""
    try:
        missing = await find_missing_steps()
    except OSError as error:
        advice = "Check memory and processes (ulimit -u)."
        return "", [Finding("confinement", f"none can be started: {error}", advice, is_error=True)]
    if not missing:
        return "mail and uploads are read and made in confined child processes", []
    return "", [Finding("confinement", f"this platform cannot confine them wholly: {', '.join(missing)}", _ADVICE)]

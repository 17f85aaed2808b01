"""Facts about the machine, and what one process uses of it (Linux, /proc)."""

import os
import platform
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CORES = sorted(os.sched_getaffinity(0))

#: The core of the measured process, and the core of everything else; the same where there is only one.
SERVER_CORE, OTHER_CORE = _CORES[0], _CORES[-1]


def describe() -> str:
    """Name the cores, the processor and Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{len(_CORES)} cores ({next(names, platform.machine())}), Python {platform.python_version()}"


def load() -> str:
    """Return how many processes wanted a core in the last minute, ours included."""
    return f"{os.getloadavg()[0]:.1f}"


def allow_open_files() -> None:
    """Allow as many open files as the system permits. Programs that we start inherit this."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def pin(pid: int, core: int) -> None:
    """Keep a process that has just started, and all that it will start, on one core."""
    os.sched_setaffinity(pid, {core})


@contextmanager
def staying_on(core: int) -> Iterator[None]:
    """Keep this process, and what it starts and does not pin elsewhere, on one core meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """Return the process and its descendants, parents first. One that ends just now may be among them."""
    found = [pid]
    for each in found:
        with suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def cpu(pid: int) -> float:
    """Return the seconds on a core of the process and its descendants, from the nanoseconds of the scheduler."""
    stats = [task / "schedstat" for each in family(pid) for task in Path(f"/proc/{each}/task").iterdir()]
    return sum(int(stat.read_text().split()[0]) for stat in stats) / 1e9


def spent(pid: int) -> float:
    """Return the seconds on a core of the process and its descendants, ended ones that were waited for included."""
    total = 0
    for each in family(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, words[11:15]))  # utime, stime, cutime, cstime (proc(5))
    return total / os.sysconf("SC_CLK_TCK")


def is_confined(pid: int) -> bool:
    """Whether the process has its filter of system calls: the last step of a reading child before its first mail."""
    try:
        return "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def ended(pid: int) -> float:
    """Return the seconds on a core of its children that have ended and were waited for."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, words[13:15])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop the process and its descendants meanwhile."""
    pids = family(pid)
    for each in pids:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in pids:
            os.kill(each, signal.SIGCONT)


def memory(pid: int) -> float:
    """Return the KiB of memory of the process and its descendants; shared pages count once (PSS). No kernel memory."""
    rollups = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in family(pid)]
    return float(sum(int(line.split()[1]) for text in rollups for line in text.splitlines() if line.startswith("Pss:")))

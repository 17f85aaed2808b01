"""What the machine is, and what one process of it uses (Linux, /proc)."""

import os
import platform
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CORES = sorted(os.sched_getaffinity(0))

#: The core of the process that is measured, and that of everything else; one and the same where there is only one.
SERVER_CORE, OTHER_CORE = _CORES[0], _CORES[-1]


def describe() -> str:
    """Cores, processor, Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{len(_CORES)} cores ({next(names, platform.machine())}), Python {platform.python_version()}"


def load() -> str:
    """How busy the machine is, with others and with us: processes that wanted a core in the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def allow_open_files() -> None:
    """As many as the system lets us have; the programs that we start inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def pin(pid: int, core: int) -> None:
    """Keep a process that has just begun, and all that it will start, on one core."""
    os.sched_setaffinity(pid, {core})


@contextmanager
def staying_on(core: int) -> Iterator[None]:
    """We ourselves, and what we start and do not pin elsewhere, stay on one core meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """The process and its descendants, parents first; one that ends just now may be among them."""
    found = [pid]
    for each in found:
        with suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def cpu(pid: int) -> float:
    """Seconds that the process and its descendants have spent on a core, by the scheduler's own nanoseconds."""
    stats = [task / "schedstat" for each in family(pid) for task in Path(f"/proc/{each}/task").iterdir()]
    return sum(int(stat.read_text().split()[0]) for stat in stats) / 1e9


def spent(pid: int) -> float:
    """Seconds on a core of the process, its descendants, and those of them that have ended and were waited for."""
    total = 0
    for each in family(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, words[11:15]))  # utime, stime, cutime, cstime (proc(5))
    return total / os.sysconf("SC_CLK_TCK")


def is_confined(pid: int) -> bool:
    """Whether it has put on its filter of system calls, the last that a reading child does before its first mail."""
    try:
        return "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def ended(pid: int) -> float:
    """Seconds on a core of those of its children that have ended and were waited for."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, words[13:15])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process and its descendants stand still meanwhile."""
    pids = family(pid)
    for each in pids:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in pids:
            os.kill(each, signal.SIGCONT)


def memory(pid: int) -> float:
    """KiB of memory of the process and its descendants; what they share counts once (PSS). User space alone."""
    rollups = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in family(pid)]
    return float(sum(int(line.split()[1]) for text in rollups for line in text.splitlines() if line.startswith("Pss:")))

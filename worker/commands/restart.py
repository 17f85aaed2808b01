"""`run.py restart`: replaces the server processes of this host one at a time, then its workers, while the others run.

A server process gets SIGTERM only while another one is ready, and the next one only when its successor is ready.
supervisord starts the successor by itself, so a restart that is interrupted leaves no process stopped.
"""

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from worker.commands.supervisord import Process, Supervisord
from workitems.base.errors import StoreUnavailableError, TubepostError
from workitems.base.redis import RedisClient, connect
from workitems.base.threads import run_alone
from workitems.mailstore.ownership import open_shared
from workitems.settings import Settings
from workitems.status.heartbeats import live_workers
from workitems.status.server_reports import ready_servers

#: Seconds in which a process must end, at least; and those that a server needs in addition to its drain. A process that
#: has not ended then hangs and is killed: it takes 10 s and its drain even while clients wait for their answers.
END_SECONDS = 60.0
BEYOND_DRAIN_SECONDS = 30.0

#: Seconds in which a process that was killed must end.
KILLED_SECONDS = 20.0

#: Seconds in which the successor must be ready.
READY_SECONDS = 120.0

#: Seconds after which a successor that ends again and again at its start is not waited for.
FAILING_SECONDS = 10.0

#: Seconds between two looks.
_STEP = 0.2

#: Finds the ids of the processes that are ready.
FindReady = Callable[[], Awaitable[set[int]]]

_print = partial(print, flush=True)


class RestartRefusedError(TubepostError):
    """A server process may not be ended, since no other one would be ready."""


class ReplacementError(TubepostError):
    """A process did not end, or its successor did not become ready; the message names its log."""


async def restart(
    settings: Settings, project: Path, *, say: Callable[[str], object] = _print, most: float | None = None
) -> bool:
    """Restart all server processes and workers of this host, and say each. Return whether all are ready again.

    *most*: seconds in which each must end, or it is killed; None: by the settings.
    Raises RestartRefusedError, SupervisordUnavailableError and StoreUnavailableError; then no process is missing.
    """
    with holding_alone(project / "var" / "restart.lock"):
        most = end_seconds(settings.stream.drain_seconds) if most is None else most
        return await _restart(settings, Supervisord(project / "var" / "supervisor.sock"), say, most)


@contextmanager
def holding_alone(path: Path) -> Iterator[None]:
    """Hold the file *path* for this restart alone: two would each count on a server that the other one ends.

    Raises RestartRefusedError.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(os.fdopen(open_shared(path, os.O_WRONLY | os.O_APPEND), "a"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            pass  # no folder: supervisord has never run here, which the caller finds out
        except BlockingIOError:
            raise RestartRefusedError("another restart runs now; wait until it has ended") from None
        except OSError as error:
            raise RestartRefusedError(
                f"{path} cannot be used: {error.strerror}. Run this as the user that runs supervisord"
            ) from None
        yield


async def _restart(settings: Settings, supervisord: Supervisord, say: Callable[[str], object], most: float) -> bool:
    redis = connect(settings.redis_url, timeout=settings.redis.timeout_seconds)
    try:
        find_servers, find_workers = _finder_of_servers(redis, settings.host), _finder_of_workers(redis, settings.host)
        processes = await run_alone(supervisord.processes)
        ready = await find_servers()
        # Those that are not ready come first: nobody misses them.
        servers = sorted((p for p in processes if p.group == "server"), key=lambda each: each.pid in ready)
        workers = [each for each in processes if each.group == "worker"]
        for listed in (*servers, *workers):
            process = await run_alone(supervisord.process, listed.name)  # others may have taken long
            if process.is_stopped:
                say(f"{process.name}: left alone, since it was stopped by supervisorctl")
                continue
            if process.group == "server" and process.pid in await find_servers():
                await _check_another_is_ready(supervisord, process, find_servers)
            find_ready = find_servers if process.group == "server" else find_workers
            await _replace(supervisord, process, find_ready, say, most)
    except ReplacementError as error:
        say(f"{error}\nThe processes after it were not restarted. Correct that, then run this again.")
        return False
    finally:
        await redis.aclose()
    return True


def end_seconds(drain_seconds: float) -> float:
    """Return the seconds in which a process must end: a server first moves its streams for *drain_seconds*."""
    return max(END_SECONDS, drain_seconds + BEYOND_DRAIN_SECONDS)


def _finder_of_servers(redis: RedisClient, host: str) -> FindReady:
    return lambda: ready_servers(redis, host)


def _finder_of_workers(redis: RedisClient, host: str) -> FindReady:
    async def find() -> set[int]:
        return {each.pid for each in (await live_workers(redis)).values() if each.host == host}

    return find


async def _check_another_is_ready(supervisord: Supervisord, process: Process, find_ready: FindReady) -> None:
    ready = await find_ready()
    servers = [each for each in await run_alone(supervisord.processes) if each.group == "server"]
    others = [each for each in servers if each.name != process.name]
    if any(each.pid in ready for each in others):
        return
    if not others:
        raise RestartRefusedError(
            f"{process.name} is the only server process, so clients would be refused meanwhile. Set numprocs = 2 in "
            "supervisord.conf; or accept that: .venv/bin/supervisorctl -c supervisord.conf restart server:* worker:*"
        )
    states = ", ".join(f"{each.name} is {each.state}" for each in others)
    logs = " ".join(each.log for each in others)
    raise RestartRefusedError(
        f"{process.name} cannot be replaced, since no other server is ready: {states}; see {logs}"
    )


async def _replace(
    supervisord: Supervisord, process: Process, find_ready: FindReady, say: Callable[[str], object], most: float
) -> None:
    """End *process*, and wait until its successor is ready. Raises ReplacementError."""
    clock = asyncio.get_running_loop().time
    begun = clock()
    say(f"{process.name}: ending pid {process.pid}" if process.pid else f"{process.name}: starting")
    await run_alone(supervisord.end_or_start, process)
    if process.pid:
        await _wait_until_ended(supervisord, process, say, most)
    ended, successors = clock(), set[int]()
    while True:
        now = await run_alone(supervisord.process, process.name)
        successors |= {now.pid} - {0}
        if now.has_ended:  # with other settings of supervisord than ours
            await run_alone(supervisord.start, now)
        if now.pid and now.pid in await _found(find_ready):
            say(f"{process.name}: ready again after {clock() - begun:.1f} s (pid {now.pid})")
            return
        seconds = clock() - ended
        # To supervisord one that fails after `startsecs` has run: its next ones show that it failed.
        is_failing = now.is_failing or len(successors) > 2
        if now.is_given_up or seconds > (FAILING_SECONDS if is_failing else READY_SECONDS):
            why = f": {now.error}" if now.error else ""
            since = f"{seconds:.0f} s after its predecessor had ended"
            raise ReplacementError(f"{process.name}: not ready {since} (supervisord: {now.state}{why}); see {now.log}")
        await asyncio.sleep(_STEP)


async def _wait_until_ended(
    supervisord: Supervisord, process: Process, say: Callable[[str], object], most: float
) -> None:
    """Wait until *process* has ended. It hangs if that takes over *most* seconds: kill it. Raises ReplacementError."""
    if await _has_ended(supervisord, process, most):
        return
    say(f"{process.name}: pid {process.pid} did not end within {most:.0f} s and is killed; see {process.log}")
    await run_alone(supervisord.kill, process)
    if not await _has_ended(supervisord, process, KILLED_SECONDS):
        raise ReplacementError(
            f"{process.name}: pid {process.pid} did not end within {KILLED_SECONDS:.0f} s after SIGKILL; "
            f"see {process.log}"
        )


async def _has_ended(supervisord: Supervisord, process: Process, seconds: float) -> bool:
    """Return whether *process* ends within *seconds*."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while (await run_alone(supervisord.process, process.name)).pid == process.pid:
        if clock() > deadline:
            return False
        await asyncio.sleep(_STEP)
    return True


async def _found(find_ready: FindReady) -> set[int]:
    try:
        return await find_ready()
    except StoreUnavailableError:
        return set()

"""The supervisord of this installation, asked over its socket (XML-RPC, supervisord.org/api.html)."""

import os
from contextlib import closing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, dumps, loads

from supervisor.xmlrpc import Faults, UnixStreamHTTPConnection

from workitems.base.errors import TubepostError

#: Seconds that an answer may take; none of our calls waits for a process.
_TIMEOUT = 20.0


class SupervisordUnavailableError(TubepostError):
    """No supervisord of this installation answers."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process as supervisord knows it. `pid` is 0 while it does not run."""

    name: str
    group: str
    state: str
    pid: int
    log: str
    error: str

    @property
    def is_stopped(self) -> bool:
        """Whether a person stopped it."""
        return self.state == "STOPPED"

    @property
    def has_ended(self) -> bool:
        """Whether it ended after it had run."""
        return self.state == "EXITED"

    @property
    def is_failing(self) -> bool:
        """Whether it ended at its start, and is started again after a pause."""
        return self.state == "BACKOFF"

    @property
    def is_given_up(self) -> bool:
        """Whether supervisord does not start it again."""
        return self.state == "FATAL"


class Supervisord:
    """Every method blocks, and raises SupervisordUnavailableError."""

    def __init__(self, path: Path) -> None:
        # A relative name: the path of a socket has room for about 100 bytes only (unix(7)).
        self._path = os.path.relpath(path)

    def processes(self) -> list[Process]:
        """Return all processes."""
        return [_process(each) for each in self._call("supervisor.getAllProcessInfo")]

    def process(self, name: str) -> Process:
        """Return the process `<group>:<name>`."""
        return _process(self._call("supervisor.getProcessInfo", name))

    def end_or_start(self, process: Process) -> None:
        """Send SIGTERM to *process*, which supervisord starts again; start it when it does not run."""
        with suppress(_AlreadySoError):
            if process.pid:
                self._call("supervisor.signalProcess", process.name, "TERM")
            else:
                self.start(process)

    def kill(self, process: Process) -> None:
        """Send SIGKILL to *process*, unless it has ended; supervisord starts it again."""
        with suppress(_AlreadySoError):
            if self.process(process.name).pid == process.pid:
                self._call("supervisor.signalProcess", process.name, "KILL")

    def start(self, process: Process) -> None:
        """Start *process*; do not wait."""
        with suppress(_AlreadySoError):
            self._call("supervisor.startProcess", process.name, False)

    def _call(self, method: str, *arguments: Any) -> Any:
        connection = UnixStreamHTTPConnection("localhost")
        connection.socketfile = self._path
        try:
            with closing(connection):
                connection.connect()
                connection.sock.settimeout(_TIMEOUT)
                connection.request("POST", "/RPC2", dumps(arguments, method), {"Content-Type": "text/xml"})
                response = connection.getresponse()
                _check_status(response.status, self._path)
                (answer,), _ = loads(response.read().decode())
        except Fault as fault:
            if fault.faultCode in (Faults.NOT_RUNNING, Faults.ALREADY_STARTED):
                raise _AlreadySoError from None
            raise SupervisordUnavailableError(
                f"supervisord refuses {method} {arguments}: {fault.faultString}"
            ) from None
        except PermissionError as error:
            raise SupervisordUnavailableError(
                f"{self._path} cannot be used: {error.strerror}. Run this as the user that runs supervisord"
            ) from None
        except (OSError, HTTPException) as error:
            raise SupervisordUnavailableError(
                f"no supervisord answers at {self._path}: {error}. Start it: .venv/bin/supervisord -c supervisord.conf"
            ) from None
        return answer


class _AlreadySoError(Exception):
    """The process is already as it should be."""


def _check_status(status: int, path: str) -> None:
    if status == HTTPStatus.UNAUTHORIZED:
        raise SupervisordUnavailableError(
            f"supervisord asks for a password at {path}, and this command has none. Remove `username` and `password` "
            "from [unix_http_server] in supervisord.conf and start supervisord anew: `chmod` there keeps others out"
        )
    if status != HTTPStatus.OK:
        raise SupervisordUnavailableError(f"supervisord answers with the HTTP status {status} at {path}; see its log")


def _process(info: Any) -> Process:
    return Process(
        name=f"{info['group']}:{info['name']}",
        group=info["group"],
        state=info["statename"],
        pid=info["pid"],
        log=info["stdout_logfile"],
        error=info["spawnerr"],
    )

"""`run.py demo`: all of Tubepost on one machine, with a mailbox of its own and letters that arrive in it.

It starts supervisord with the project's `supervisord.conf`, replaces the port and the number of server processes, and
adds two programs of its own. All its data is below `var/demo`.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from demo import script
from workitems.base.errors import SettingsError, TubepostError
from workitems.base.supervision import signal_when_parent_ends
from workitems.settings.load import load_settings

#: Seconds for the first answer; the first start compiles all modules.
_START_SECONDS = 60.0

#: Seconds between two requests while the server does not answer.
_POLL_SECONDS = 0.1

_USER = "demo"


class AlreadyRunningError(TubepostError):
    """A supervisord of this project runs."""


def run(project: Path, played: Path | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the demo until Ctrl-C or SIGTERM and return the exit status.

    Raises SettingsError, ScriptError and AlreadyRunningError.

    With a script *played* there is one server process, which plays it, and no letters are sent unless a rate is set.
    """
    if played is not None:
        script.read(played)  # its mistakes are reported before anything starts
    folder = project / "var" / "demo"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _check_not_running(project)
    port = _port(environ.get("PORT", "8888"))
    token = environ.get("TUBEPOST_TOKEN") or secrets.token_urlsafe(24)
    _write(folder / "tubepost.toml", _settings(folder, free_port(), secrets.token_urlsafe(12), played))
    environment = {**environ, "TUBEPOST_TOKEN": token, "TUBEPOST_CONFIG": str(folder / "tubepost.toml")}
    settings = load_settings(environment)
    if played is not None:
        shutil.copyfile(played, folder / script.FILE_NAME)
    _write(folder / "programs.conf", _programs(port, settings.servers, played))
    _write(folder / "supervisord.conf", "[include]\nfiles = ../../supervisord.conf programs.conf\n")
    welcome = _welcome(f"http://127.0.0.1:{port}", token, project, _what_happens(settings.demo.rate, played))
    return _supervise(project, folder, environment, f"http://127.0.0.1:{port}", welcome)


def _settings(folder: Path, imap_port: int, password: str, played: Path | None) -> str:
    """Return the demo's own settings file: it uses neither the project's `tubepost.toml` nor its mailboxes."""
    return f"""\
# Every `run.py demo` overwrites this file.
data = {json.dumps(str(folder))}

[demo]
enabled = true
{"rate = 0" if played else ""}

[server]
test_items = true

[stream]
drain_seconds = 1

[mailboxes.demo]
host = "127.0.0.1"
port = {imap_port}
tls = "none"
user = "{_USER}"
password = "{password}"
start = "all"
poll_seconds = 10
# The demo removes old letters, but only those that the worker has marked as seen.
after_action = "seen"
"""


#: The server that plays a script: it prints each step to the terminal, and its log goes where a server's log goes.
_PLAYS = f"""
command = %(here)s/../../.venv/bin/python run.py {script.VERB}
redirect_stderr = false
stdout_logfile = /dev/stdout
stdout_logfile_maxbytes = 0
stderr_logfile = %(here)s/../%(program_name)s_%(process_num)02d.log
"""


#: The demo's own programs. In the project's supervisord.conf, `supervisorctl restart all` would start them too.
_OWN_PROGRAMS = "".join(
    f"""
[program:{name}]
command = %(here)s/../../.venv/bin/python run.py {name}
directory = %(here)s/../..
priority = {priority}
redirect_stderr = true
stdout_logfile = %(here)s/../{name}.log
"""
    for name, priority in (("demo-mailbox", 10), ("demo-letters", 40))
)


def _programs(port: int, servers: int, played: Path | None) -> str:
    return f"""\
; `run.py demo` reads this after the project's supervisord.conf.
[fcgi-program:server]
socket = tcp://127.0.0.1:{port}
numprocs = {1 if played else servers}
{_PLAYS if played else ""}{_OWN_PROGRAMS}"""


def _supervise(project: Path, folder: Path, environment: Mapping[str, str], address: str, welcome: str) -> int:
    command = [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--silent", "-c", "supervisord.conf"]
    _append_to_stdout()
    supervisord = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        start_new_session=True,
        # Should this launcher be killed, the kernel sends supervisord the SIGTERM that it could not send.
        preexec_fn=partial(signal_when_parent_ends, signal.SIGTERM),
        stdin=subprocess.DEVNULL,
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisord.terminate())
    if _answers(supervisord, address):
        print(welcome, flush=True)
    elif supervisord.poll() is None:
        print(
            f"Tubepost did not answer within {_START_SECONDS:.0f} s; the reason is in {project / 'var'}/*.log",
            flush=True,
        )
    status = supervisord.wait()
    if status < 0:
        print(f"supervisord was ended by signal {-status}; its programs end with it.", flush=True)
    print("Tubepost has ended.", flush=True)
    return status


def _append_to_stdout() -> None:
    """Append when standard output is a file: the server that plays a script writes to the same file."""
    if stat.S_ISREG(os.fstat(1).st_mode):  # a terminal's flags are also the shell's, and would stay after our end
        fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_APPEND)


def _answers(supervisord: "subprocess.Popen[bytes]", address: str) -> bool:
    """Wait until the server is ready; return False when the time is up or supervisord has ended."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and supervisord.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=2.0):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(_POLL_SECONDS)
    return False


def _what_happens(rate: float, played: Path | None) -> str:
    """Return what a person will see."""
    script_plays = [f"It plays {played}: each step is printed here."] if played else []
    if rate > 0:
        return " ".join([*script_plays, "Letters arrive in its demo mailbox one after another."])
    return " ".join(script_plays) or "No letters arrive, since demo.rate is 0."


def _welcome(address: str, token: str, project: Path, comes: str) -> str:
    return f"""
Tubepost is running. Open

    {address}/login?token={token}

{comes} Programs use the token as `Authorization: Bearer …`.
Ctrl-C ends it; the logs are in {project / "var"}.
"""


def _port(text: str) -> int:
    """Return the port of the demo. Raises SettingsError when something else listens there."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise SettingsError(f"PORT: a number from 1 to 65535 is accepted, found {text!r:.40}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(text)))
        except OSError as error:
            reason = error.strerror.lower() if error.strerror else "refused"
            raise SettingsError(f"PORT: 127.0.0.1:{text} cannot be used: {reason}. Try `make run PORT=8889`") from None
    return int(text)


def _check_not_running(project: Path) -> None:
    """Raise AlreadyRunningError when a supervisord of this project runs: two would write to the same files."""
    # A relative name: the path of a socket has room for about 100 bytes only (unix(7)).
    path = os.path.relpath(project / "var" / "supervisor.sock")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return
    how = "Ctrl-C in its terminal"
    with contextlib.suppress(OSError, ValueError):
        pid = int((project / "var" / "supervisord.pid").read_text())
        how = f"Ctrl-C in its terminal, or `kill {pid}`, which is its supervisord"
    raise AlreadyRunningError(f"already runs from {project}. End that first: {how}")


def free_port() -> int:
    """Return a port of the loopback address that is not in use now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner can read: the settings hold a password."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)

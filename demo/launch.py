"""`run.py demo`: the whole of Tubepost on one machine, with a mailbox of its own and letters that arrive in it.

Starts supervisord with the project's own `supervisord.conf`, over which a few lines are laid: port, number of server
processes, and the two demo programs. All that it keeps lies below `var/demo`.
"""

import ctypes
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
from pathlib import Path

from demo import script
from workitems.configuration import load
from workitems.errors import SettingsError

#: Seconds for the first answer; a first start compiles its modules.
_START = 60.0

#: Seconds between two looks at whether the server answers.
_LOOK = 0.1

_USER = "demo"

_LETTERS = "Letters arrive in its demo mailbox one after another."


def run(project: Path, played: Path | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the demonstration until Ctrl-C or SIGTERM; answers the exit status. Raises SettingsError and ScriptError.

    The script *played* is played by its only server process; then no letters come unless a rate is asked for.
    """
    if played is not None:
        script.read(played)  # its mistakes are told before anything starts
    folder = project / "var" / "demo"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _not_running(project)
    port = _port(environ.get("PORT", "8888"))
    token = environ.get("TUBEPOST_TOKEN") or secrets.token_urlsafe(18)
    _write(folder / "tubepost.toml", _settings(folder, free_port(), secrets.token_urlsafe(12), played))
    environment = {**environ, "TUBEPOST_TOKEN": token, "TUBEPOST_CONFIG": str(folder / "tubepost.toml")}
    settings = load(environment)
    if played is not None:
        shutil.copyfile(played, folder / script.PLACE)
    _write(folder / "programs.conf", _programs(port, settings.servers, played))
    _write(folder / "supervisord.conf", "[include]\nfiles = ../../supervisord.conf programs.conf\n")
    comes = f"It plays {played}: each step is told here." if played else _LETTERS
    welcome = _welcome(f"http://127.0.0.1:{port}", token, project, comes)
    return _supervise(project, folder, environment, f"http://127.0.0.1:{port}", welcome)


def _settings(folder: Path, imap_port: int, password: str, played: Path | None) -> str:
    """The demo's own settings file: a real `tubepost.toml` beside it is not touched, nor is its mailbox."""
    return f"""\
# Written anew by every `run.py demo`.
data = {json.dumps(str(folder))}

[demo]
enabled = true
{"rate = 0" if played else ""}

[server]
test_items = true

[stream]
drain = 1

[mailboxes.demo]
host = "127.0.0.1"
port = {imap_port}
tls = "none"
user = "{_USER}"
password = "{password}"
start = "all"
poll = 10
"""


#: The server that plays a script: what it tells of it goes to the terminal, its log to where a server's log is.
_PLAYS = f"""
command = %(here)s/../../.venv/bin/python run.py {script.VERB}
redirect_stderr = false
stdout_logfile = /dev/stdout
stdout_logfile_maxbytes = 0
stderr_logfile = %(here)s/../%(program_name)s_%(process_num)02d.log
"""


def _programs(port: int, servers: int, played: Path | None) -> str:
    return f"""\
; Laid over the project's supervisord.conf by `run.py demo`.
[fcgi-program:server]
socket = tcp://127.0.0.1:{port}
numprocs = {1 if played else servers}
{_PLAYS if played else ""}
[program:demo-mailbox]
autostart = true

[program:demo-letters]
autostart = true
"""


def _supervise(project: Path, folder: Path, environment: Mapping[str, str], address: str, welcome: str) -> int:
    command = [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--silent", "-c", "supervisord.conf"]
    _tell_together()
    supervisord = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        start_new_session=True,
        preexec_fn=_end_with_parent,
        stdin=subprocess.DEVNULL,
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisord.terminate())
    if _answers(supervisord, address):
        print(welcome, flush=True)
    elif supervisord.poll() is None:
        print(
            f"Tubepost did not answer within {_START:.0f} s; the reason stands in {project / 'var'}/*.log", flush=True
        )
    status = supervisord.wait()
    print("Tubepost has ended.", flush=True)
    return status


def _tell_together() -> None:
    """Where a file takes what is said, the server that plays a script has opened it anew: each writes at its end."""
    if stat.S_ISREG(os.fstat(1).st_mode):  # a terminal's flags are the shell's, too, and would outlive us
        fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_APPEND)


def _answers(supervisord: "subprocess.Popen[bytes]", address: str) -> bool:
    """Wait until the server is ready; False when it is not in time or supervisord ended."""
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and supervisord.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=2.0):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(_LOOK)
    return False


def _welcome(address: str, token: str, project: Path, comes: str) -> str:
    return f"""
Tubepost is running. Open

    {address}/login?token={token}

{comes} Programs use the token as `Authorization: Bearer …`.
Ctrl-C ends it; the logs are in {project / "var"}.
"""


def _end_with_parent() -> None:
    """Linux: should this launcher be killed outright, supervisord gets the SIGTERM that it could not send."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _port(text: str) -> int:
    """The port of the demo, if nothing else listens there."""
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


def _not_running(project: Path) -> None:
    """Two families would write to the same files: the one that runs goes on untouched."""
    # A relative name: the path of a socket has room for about 100 bytes only (unix(7)).
    path = os.path.relpath(project / "var" / "supervisor.sock")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return
    raise SettingsError(f"Tubepost already runs from {project}; end that first (Ctrl-C in its terminal)")


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _write(path: Path, text: str) -> None:
    """Written for its owner alone: the settings hold a password."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)

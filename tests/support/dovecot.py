"""A real Dovecot on free ports of the loopback interface, in its own directory, without root rights."""

import atexit
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

#: Seconds for the server to greet, and to end after SIGTERM (once it took 6 s).
PATIENCE = 20

BINARY = "/usr/sbin/dovecot"

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.key
disable_plaintext_auth = {no_plain_text}
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_chars =
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
mail_fsync = never
mailbox_list_index = yes
mail_max_userip_connections = 200
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/passwords
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home/%u
}}
namespace inbox {{
  inbox = yes
}}
service anvil {{
  chroot =
  # Without it, each refused login makes the next ones of this address wait, up to 15 s.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
"""


def free_port() -> int:
    """Return a port of the loopback interface that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Dovecot:
    """One server. `start` waits for its greeting, `stop` until all its processes have ended. Both may be repeated.

    Plain text and STARTTLS on `port`, TLS on `tls_port`; `ca_file` proves its certificate (localhost, 127.0.0.1).
    Its files are in `folder`. As root, it runs as the user nobody in another folder, which is removed when the process
    ends: each start of pytest closes pytest's folders to other users, also while this server runs.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        folder: Path,
        *,
        users: dict[str, str] | None = None,
        plain_text: bool = True,
        ports: tuple[int, int] | None = None,
    ) -> None:
        self.folder = _make_open_folder() if os.geteuid() == 0 else folder
        self.users = users or {"desk": "secret"}
        self.port, self.tls_port = ports or (free_port(), free_port())
        self.ca_file = self.folder / "server.pem"
        self._plain_text = plain_text
        self._process: subprocess.Popen[bytes] | None = None
        # Root becomes an ordinary user; an ordinary user stays the same.
        self._owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._prepare()

    @property
    def user(self) -> str:
        return next(iter(self.users))

    @property
    def password(self) -> str:
        return self.users[self.user]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        as_owner: dict[str, Any] = {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}
        with (self.folder / "stderr.log").open("wb") as stderr:
            self._process = subprocess.Popen(
                [BINARY, "-F", "-c", str(self.folder / "dovecot.conf")],
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                **(as_owner if os.geteuid() == 0 else {}),
            )
        deadline = time.monotonic() + PATIENCE
        while not self._greets():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Dovecot did not start: {self.log()}")
            time.sleep(0.02)

    def stop(self, *, kill: bool = False) -> None:
        """End the master process, which ends all others. *kill* kills them all at once, like a crash."""
        if self._process is None:
            return
        if kill:
            os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def seed(
        self, mails: Iterable[bytes], *, user: str | None = None, folder: str | None = None, flags: str = ""
    ) -> int:
        """Write *mails* directly into the Maildir. Their UIDs follow their order. Returns how many there were."""
        maildir = self.maildir(user, folder)
        now, count = time.time_ns() // 1000, 0
        for count, mail in enumerate(mails, 1):
            # Dovecot gives UIDs in the order of the time in the name. W= and S= would be sizes that it computes itself.
            name = f"{now // 1_000_000}.M{now % 1_000_000:06d}P{count:07d}.tests"
            path = maildir / "tmp" / name  # complete, and owned by Dovecot's user, before Dovecot can see it
            path.write_bytes(mail)
            self._give(path)
            path.rename(maildir / ("cur" if flags else "new") / (f"{name}:2,{flags}" if flags else name))
        return count

    def maildir(self, user: str | None = None, folder: str | None = None) -> Path:
        """Return the Maildir of INBOX or of *folder* (named as on the disk), created when it is missing."""
        home = self.folder / "home" / (user or self.user)
        maildir = home / "Maildir" / (f".{folder}" if folder else "")
        for path in (home, home / "Maildir", maildir, *(maildir / part for part in ("cur", "new", "tmp"))):
            if not path.exists():
                path.mkdir(parents=True)
                self._give(path)
        return maildir

    def log(self) -> str:
        texts = [
            p.read_text(errors="replace")
            for p in (self.folder / "dovecot.log", self.folder / "stderr.log")
            if p.exists()
        ]
        return "".join(texts)[-4000:]

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.folder, self.folder / "run", self.folder / "state", self.folder / "home"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
            self._give(folder)
        make_certificate(self.folder)
        group = grp.getgrgid(self._owner.pw_gid).gr_name
        (self.folder / "passwords").write_text("".join(f"{user}:{word}\n" for user, word in self.users.items()))
        (self.folder / "dovecot.conf").write_text(
            CONFIGURATION.format(
                folder=self.folder,
                user=self._owner.pw_name,
                group=group,
                uid=self._owner.pw_uid,
                gid=self._owner.pw_gid,
                port=self.port,
                tls_port=self.tls_port,
                no_plain_text="no" if self._plain_text else "yes",
            )
        )
        for path in self.folder.iterdir():
            self._give(path)

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, self._owner.pw_uid, self._owner.pw_gid)

    def _greets(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), 1) as sock:
                return sock.recv(64).startswith(b"* OK")
        except OSError:
            return False


def _make_open_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tubepost-dovecot-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def make_certificate(folder: Path, names: str = "DNS:localhost,IP:127.0.0.1") -> None:
    """Make `server.pem` and `server.key`, self-signed, valid for two days, with openssl."""
    subject = ["-subj", "/CN=tests", "-addext", f"subjectAltName={names}"]
    files = ["-keyout", str(folder / "server.key"), "-out", str(folder / "server.pem")]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2", "-nodes"]
    subprocess.run(["openssl", "req", "-x509", *kind, *subject, *files], check=True, capture_output=True)

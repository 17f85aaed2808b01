"""Several mailboxes behind a proxy, two workers, and the faults that a test applies to them."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from tests.support.cutting_proxy import CuttingProxy
from tests.support.dovecot import Dovecot
from tests.support.feed_entries import feed_entries
from tests.support.program import PROJECT
from tests.support.redis_server import RedisServer
from workitems.base import keys
from workitems.intake.identity import item_id

MAILBOXES = ("claims", "orders", "submissions")

#: Seconds for which a lease is valid without renewal. A worker is stopped for longer than this.
LEASE = 3.0

#: Seconds until everything must be done after the last fault.
PATIENCE = 150.0


class Worker:
    """One worker process. Its log comes through a pipe, so that a full disk of the worker does not affect the log."""

    def __init__(self, name: str, config: Path, log: Path) -> None:
        self.name = name
        self._config = config
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._logging: threading.Thread | None = None

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TUBEPOST_")}
        environment |= {"TUBEPOST_CONFIG": str(self._config), "TUBEPOST_WORKER__NAME": self.name}
        self._process = subprocess.Popen(
            [sys.executable, str(PROJECT / "run.py"), "worker"],
            cwd=self._config.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._logging = threading.Thread(target=self._keep, args=(self._process.stdout,), daemon=True)
        self._logging.start()

    def _keep(self, lines: Any) -> None:
        with lines, self._log.open("ab") as log:
            for line in lines:
                log.write(self.name.encode() + b": " + line)
                log.flush()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
        if self._logging is not None:
            self._logging.join(20)

    def terminate(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(20)

    def disk_full(self, *, full: bool) -> None:
        """Let the worker write no byte to any file, or remove that limit."""
        limit = 0 if full else resource.RLIM_INFINITY
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


class Storm:
    """All files are below *folder*; `close` ends all programs. *chance* decides what fails when."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.chance = chance
        self.dovecot = Dovecot(folder / "dovecot", users=dict.fromkeys(MAILBOXES, "secret"))
        self.proxy = CuttingProxy(self.dovecot.port)
        self.redis_server = RedisServer()
        self.log = folder / "workers.log"
        self.workers = [Worker(name, self._config(), self.log) for name in ("one", "two")]
        self.expected: Counter[str] = Counter()
        self._older: Path | None = None
        self._mails = 0
        #: How often each fault happened.
        self.faults: Counter[str] = Counter()

    def _config(self) -> Path:
        path = self.folder / "tubepost.toml"
        mailboxes = "".join(
            f'[mailboxes.{name}]\nhost = "127.0.0.1"\nport = {self.proxy.port}\ntls = "none"\nuser = "{name}"\n'
            'password = "secret"\nstart = "all"\npoll_seconds = 1\n'
            for name in MAILBOXES
        )
        path.write_text(
            f'data = "{self.folder}/var"\nlog = "info"\n[redis]\nurl = "{self.redis_server.url}"\ntimeout_seconds = 2\n'
            f"[worker]\nreading_children = 1\nlease_seconds = {LEASE}\nabandoned_after_seconds = 3\n{mailboxes}"
        )
        return path

    def open(self) -> "Storm":
        self.dovecot.start()
        self.redis_server.start()
        for worker in self.workers:
            worker.start()
        return self

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.proxy.stop()
        self.dovecot.stop(kill=True)
        self.redis_server.stop()

    # --- mail -------------------------------------------------------------------------------------------------------

    def deliver(self, count: int) -> None:
        """Put *count* mails into one of the mailboxes. Some are large, so that a cut can be within one."""
        mailbox = self.chance.choice(MAILBOXES)
        mails = [self._make_mail(mailbox) for _ in range(count)]
        self.dovecot.seed(mails, user=mailbox)
        self.expected.update(item_id(mailbox, mail) for mail in mails)

    def _make_mail(self, mailbox: str) -> bytes:
        self._mails += 1
        n = self._mails
        size = 40_000 if self.chance.random() < 0.05 else self.chance.randrange(200, 3000)
        return (
            f"Message-ID: <{n}@storm.example>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n"
            f"From: Ann <ann@storm.example>\r\nTo: {mailbox}@example.com\r\nSubject: Letter {n}\r\n\r\n"
            f"Policy Number: AB-{n:06}\r\n" + "Nothing else.\r\n" * (size // 15)
        ).encode()

    # --- the faults --------------------------------------------------------------------------------------------------

    def kill_a_worker(self) -> None:
        worker = self.chance.choice(self.workers)
        worker.kill()
        self._pause(0.0, 0.5)
        worker.start()

    def stop_a_worker_for_longer_than_its_lease(self) -> None:
        worker = self.chance.choice(self.workers)
        os.kill(worker.pid, signal.SIGSTOP)
        self._pause(LEASE + 0.5, LEASE + 1.5)
        os.kill(worker.pid, signal.SIGCONT)

    def restart_the_mail_server(self) -> None:
        self.dovecot.stop(kill=True)
        self._pause(0.0, 0.5)
        self.dovecot.start()

    def cut_within_an_answer(self) -> None:
        self.proxy.cut_after(self.chance.randrange(10, 30_000))

    def cut_all_connections(self) -> None:
        self.proxy.cut_all()

    def change_the_uidvalidity(self) -> None:
        """Lose the files with the UIDs of a mailbox, as after a restore: another UIDVALIDITY, other UIDs."""
        self.dovecot.stop(kill=True)
        maildir = self.dovecot.maildir(self.chance.choice(MAILBOXES))
        for path in maildir.glob("dovecot*"):
            path.unlink()
        self.dovecot.start()

    def kill_redis(self) -> None:
        self.redis_server.kill()
        self._pause(0.0, 0.8)
        self.redis_server.start()

    def restore_an_older_redis(self) -> None:
        """Restore a backup, which has no newer events. The first call makes the backup."""
        self.redis_server.kill()
        folder = self.redis_server.folder / "appendonlydir"
        if self._older is not None:
            shutil.rmtree(folder)
            self._older.rename(folder)
            self._older = None
        else:
            self._older = self.folder / "backup"
            shutil.copytree(folder, self._older)
        self.redis_server.start()

    def fill_the_disk(self) -> None:
        for worker in self.workers:
            worker.disk_full(full=True)
        self._pause(1.0, 2.0)
        for worker in self.workers:
            worker.disk_full(full=False)

    def strike(self, fault: Callable[[], None]) -> None:
        self.faults[fault.__name__] += 1
        fault()

    def every_fault(self) -> list[Callable[[], None]]:
        return [
            self.kill_a_worker, self.stop_a_worker_for_longer_than_its_lease, self.restart_the_mail_server,
            self.cut_within_an_answer, self.cut_all_connections, self.change_the_uidvalidity, self.kill_redis,
            self.restore_an_older_redis, self.fill_the_disk,
        ]  # fmt: skip

    def _pause(self, shortest: float, longest: float) -> None:
        # The only wait without a condition: it is how long a fault lasts.
        time.sleep(self.chance.uniform(shortest, longest))

    # --- the results ------------------------------------------------------------------------------------------------

    def redis(self) -> Any:
        return Redis.from_url(self.redis_server.url, protocol=2)

    def items(self) -> set[str]:
        with self.redis() as client:
            return {each.decode() for each in client.zrange(keys.items(), 0, -1)}

    def references(self) -> list[str]:
        with self.redis() as client:
            return [client.hget(keys.item(each), "reference").decode() for each in self.items()]

    def created(self) -> Counter[str]:
        """Return how often the feed has each item as new."""
        with self.redis() as client:
            events = [json.loads(event) for _, event, _ in feed_entries(client)]
        return Counter(each["data"]["id"] for each in events if each["event"] == "new_workitem")

    def is_done(self) -> bool:
        try:
            with self.redis() as client:
                return client.zcard(keys.items()) >= len(self.expected) and client.xlen(keys.INTAKE) == 0
        except RedisError:
            return False

    def until_done(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.is_done():
            if time.monotonic() > deadline:
                missing = self.expected.keys() - self.items()
                tail = self.log.read_text(errors="replace")[-4000:]
                raise AssertionError(f"{len(missing)} mails are no items after {PATIENCE:g} s\n{self.faults}\n{tail}")
            time.sleep(0.1)

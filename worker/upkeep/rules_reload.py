"""Takes changed field rules from the settings file while the worker runs.

The file may be half written, renamed, removed or on a disk that hangs. Whatever it is, the worker continues with the
rules that it has, and says what is wrong.
"""

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from worker.sandbox.failure import SandboxUnavailableError
from worker.sandbox.frames import EncodedRules
from workitems.base.errors import SettingsError
from workitems.base.log import get_logger
from workitems.base.service_loop import run_service_loop
from workitems.base.threads import Threads
from workitems.settings import Settings
from workitems.settings.comparison import changed_names, rules_digest
from workitems.settings.load import load_settings, settings_file
from workitems.status.process_metrics import gauge

log = get_logger("rules")

#: Seconds between two looks at the file. Two looks must agree before a change is used.
LOOK_SECONDS = 1.0

#: Seconds that a look at the file, or its loading, may take: its disk may hang.
FILE_SECONDS = 5.0

#: Looks after which a file that could not be used is loaded again although it has not changed.
RETRY_LOOKS = 10

#: Characters of an error that are reported: a file can have hundreds of wrong settings.
ERROR_CHARS = 500

#: Seconds that the end of the worker waits for the file.
CLOSE_SECONDS = 0.5

#: What changes whenever the file, its content or its rights change.
Stamp = tuple[int, ...]

#: The stamp of a file that does not exist.
MISSING: Stamp = ()

#: Gives rules to the reading children. It raises SandboxUnavailableError or OSError when no child takes them.
UseRules = Callable[[EncodedRules], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A valid file: its rules, and the settings that only a restart changes."""

    rules: EncodedRules
    digest: str
    needs_restart: tuple[str, ...]


class RulesReload(Collector):
    """Knows which rules are in use, and why those of the file are not."""

    def __init__(
        self,
        settings: Settings,
        encode: Callable[[Settings], EncodedRules],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """*settings*: those with which the worker started; *encode* makes the rules of the children from settings."""
        #: Why the rules of the file are not in use; '' while they are.
        self.error = ""
        #: The rules that are in use, and what distinguishes them from others.
        self.rules = encode(settings)
        self.digest = rules_digest(settings)
        self._settings = settings
        self._encode = encode
        self._environ = environ
        self._file = settings_file(environ)
        #: Whether there may be no file: none is named, and none was seen yet.
        self._may_be_missing = not environ.get("TUBEPOST_CONFIG")
        self._needs_restart: tuple[str, ...] = ()
        self._seen: Stamp | None = None
        self._loaded: Stamp | None = None
        self._looks_since = 0
        self._thread = Threads(1, "settings")

    def close(self) -> None:
        """End the thread that reads the file."""
        self._thread.close(CLOSE_SECONDS)

    async def run(self, use: UseRules) -> None:
        """Look at the file again and again until cancelled. *use* gets changed rules."""
        await run_service_loop(
            lambda: self.look(use),
            seconds=LOOK_SECONDS,
            waits="looking at the settings file waits",
            failed="looking at the settings file failed",
            log=log,
        )

    async def look(self, use: UseRules) -> bool:
        """Look at the file once. Return whether it was loaded, or could not be."""
        try:
            stamp = await self._thread.run_within(FILE_SECONDS, _stamp, self._file)
            if not self._is_due(stamp):
                return False
            await self._apply(await self._thread.run_within(FILE_SECONDS, self._load), use)
        except TimeoutError:
            self._report(f"{self._file} cannot be read: its disk does not answer in time")
        except SettingsError as error:
            self._report(str(error))
        except (SandboxUnavailableError, OSError) as error:
            self._report(f"no reading child takes the new rules: {error}")
        else:
            self._report("")
        return True

    def collect(self) -> Iterator[Metric]:
        text = "1 while the rules in the settings file cannot be used, so that former ones are in use"
        yield gauge("rules_error", text, float(bool(self.error)))

    def _is_due(self, stamp: Stamp) -> bool:
        """Return whether the file is to be loaded: it has changed, and has been the same for two looks.

        A file that is being written may be valid and have only a part of the rules.
        """
        is_settled, self._seen = stamp == self._seen, stamp
        self._looks_since += 1
        is_retry = bool(self.error) and self._looks_since >= RETRY_LOOKS
        if not is_settled or (stamp == self._loaded and not is_retry):
            return False
        if stamp == MISSING and self._may_be_missing:
            return False
        self._may_be_missing = False
        self._loaded, self._looks_since = stamp, 0
        return True

    def _load(self) -> LoadedFile:
        """Load the file. Raises SettingsError. It may take long, so it runs in a thread."""
        settings = load_settings(self._environ, file=self._file)
        others = tuple(changed_names(self._settings, settings))
        return LoadedFile(self._encode(settings), rules_digest(settings), others)

    async def _apply(self, loaded: LoadedFile, use: UseRules) -> None:
        if loaded.needs_restart != self._needs_restart and loaded.needs_restart:
            log.warning("changed settings need a restart: run.py restart", settings=", ".join(loaded.needs_restart))
        self._needs_restart = loaded.needs_restart
        if loaded.rules != self.rules:
            await use(loaded.rules)
            self.rules, self.digest = loaded.rules, loaded.digest
            log.info("changed field rules are in use")

    def _report(self, error: str) -> None:
        """Log an error when it begins, changes or ends."""
        error = "; ".join(error.splitlines())
        error = error if len(error) <= ERROR_CHARS else f"{error[: ERROR_CHARS - 1]}…"
        if error and error != self.error:
            log.error("the settings file cannot be used; former field rules stay in use", reason=error)
        elif self.error and not error:
            log.info("the settings file can be used again")
        self.error = error


def _stamp(file: Path) -> Stamp:
    """Return the stamp of a file; of one that cannot be looked at, the number of the error."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return (error.errno or 0,)
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev

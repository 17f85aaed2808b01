"""Changed field rules are taken from the settings file, whatever state the file is in."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from worker.main import rules
from worker.sandbox.failure import SandboxUnavailableError
from worker.sandbox.frames import EncodedRules
from worker.upkeep import rules_reload
from worker.upkeep.rules_reload import RETRY_LOOKS, RulesReload
from workitems.settings import Settings
from workitems.settings.comparison import rules_digest
from workitems.settings.load import load_settings

DEAL = '[fields.deal]\nlabels = ["Deal"]\n'
SHIP = '[fields.ship]\nlabels = ["Ship"]\n'


class Worker:
    """What a worker does with a settings file: it looks at it, and uses rules."""

    def __init__(self, file: Path, *, is_named: bool = True) -> None:
        environ = {"TUBEPOST_CONFIG": str(file)} if is_named else {}
        self.file = file
        self.used: list[EncodedRules] = []
        self.refusal: Exception | None = None
        self.reload = RulesReload(load_settings(environ), rules, environ)

    async def use(self, encoded: EncodedRules) -> None:
        if self.refusal:
            raise self.refusal
        self.used.append(encoded)

    async def look(self, times: int = 2) -> None:
        """Look so often; two looks are enough for a file that does not change between them."""
        for _ in range(times):
            await self.reload.look(self.use)

    @property
    def settings(self) -> Settings:
        """The settings in the file now."""
        return load_settings({}, file=self.file)

    @property
    def names(self) -> list[list[str]]:
        """The names of the rules that were used, each time."""
        return [[each["name"] for each in used["*"] if not isinstance(each, str)] for used in self.used]

    @property
    def metric(self) -> float:
        (found,) = self.reload.collect()
        return float(found.samples[0].value)


@pytest.fixture
def make_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Worker]]:
    monkeypatch.chdir(tmp_path)
    made: list[Worker] = []

    def make(text: str | None = DEAL, **how: Any) -> Worker:
        file = Path("tubepost.toml")
        if text is not None:
            file.write_text(text)
        made.append(Worker(file, **how))
        return made[-1]

    yield make
    for worker in made:
        worker.reload.close()


Make = Callable[..., Worker]


async def test_rules_with_which_the_worker_started_are_not_given_to_it_again(make_worker: Make) -> None:
    worker = make_worker()
    await worker.look(5)
    worker.file.touch()
    await worker.look(5)
    assert worker.names == []


async def test_changed_rules_are_used_once_the_file_is_the_same_for_two_looks(make_worker: Make) -> None:
    worker = make_worker()
    await worker.look()
    former = worker.reload.digest
    with capture_logs() as lines:
        worker.file.write_text(DEAL + SHIP)
        await worker.look(1)
        assert (worker.names, worker.reload.digest) == ([], former)
        await worker.look(5)
    assert (worker.names, worker.reload.digest) == ([["deal", "ship"]], rules_digest(worker.settings))
    assert [(line["log_level"], line["event"]) for line in lines] == [("info", "changed field rules are in use")]


async def test_a_change_between_the_start_of_the_worker_and_its_first_look_is_seen(make_worker: Make) -> None:
    worker = make_worker()
    worker.file.write_text(SHIP)
    await worker.look()
    assert worker.names == [["ship"]]


async def test_a_file_that_is_still_being_written_is_not_used_even_if_it_is_valid(make_worker: Make) -> None:
    worker = make_worker()
    await worker.look()
    with capture_logs() as lines, worker.file.open("w") as file:
        for part in (DEAL, "[fields.ship]\n", 'labels = ["Ship"]\n', SHIP.replace("ship", "port")):
            file.write(part)
            file.flush()
            await worker.look(1)
    assert (worker.names, lines) == ([], [])
    await worker.look()
    assert worker.names == [["deal", "ship", "port"]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[fields.ship]\npattern = "("\n', "fields.ship.pattern: not a pattern that RE2 accepts"),
        ("[fields.ship\n", "tubepost.toml: not valid TOML"),
        ('[fields.ship]\nlabel = ["Ship"]\n', "fields.ship.label: no such setting; did you mean labels?"),
        ("[server]\nport = 70000\n", "server.port: "),
        ("x = " + "[" * 100_000, "tubepost.toml: not accepted: its lists or tables are too deep in each other"),
        ("[fields.a]\n[fields.b]\n", "; "),
    ],
)
async def test_a_file_with_an_error_leaves_the_rules_in_use_and_says_so_once(
    make_worker: Make, text: str, reason: str
) -> None:
    worker = make_worker()
    await worker.look()
    with capture_logs() as lines:
        worker.file.write_text(text)
        await worker.look(3 * RETRY_LOOKS)
        assert (worker.metric, worker.reload.error) == (1, lines[0]["reason"])
        worker.file.write_text(DEAL)
        await worker.look(5)
    assert worker.names == []
    assert reason in lines[0]["reason"]
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("error", "the settings file cannot be used; former field rules stay in use"),
        ("info", "the settings file can be used again"),
    ]
    assert (worker.metric, worker.reload.error) == (0, "")


async def test_a_mended_file_is_used(make_worker: Make) -> None:
    worker = make_worker()
    worker.file.write_text("[fields.ship]\n")
    await worker.look()
    worker.file.write_text(SHIP)
    await worker.look()
    assert (worker.names, worker.reload.error) == ([["ship"]], "")


async def test_an_editor_that_renames_files_leaves_no_error(make_worker: Make, tmp_path: Path) -> None:
    worker = make_worker()
    await worker.look()
    with capture_logs() as lines:
        worker.file.rename(tmp_path / "tubepost.toml~")
        await worker.look(1)
        (tmp_path / "new").write_text(SHIP)
        (tmp_path / "new").rename(worker.file)
        await worker.look()
    assert worker.names == [["ship"]]
    assert [line["log_level"] for line in lines] == ["info"]


@pytest.mark.parametrize("is_named", [True, False])
async def test_a_file_that_was_removed_leaves_the_rules_in_use(make_worker: Make, is_named: bool) -> None:
    worker = make_worker(is_named=is_named)
    await worker.look()
    worker.file.unlink()
    await worker.look()
    assert worker.names == []
    assert worker.reload.error.startswith("tubepost.toml: there is no such file")
    worker.file.write_text(SHIP)
    await worker.look()
    assert (worker.names, worker.reload.error) == ([["ship"]], "")


async def test_without_a_file_nothing_is_wrong_and_one_that_is_added_is_used(make_worker: Make) -> None:
    worker = make_worker(None, is_named=False)
    await worker.look(5)
    assert (worker.names, worker.reload.error) == ([], "")
    worker.file.write_text(SHIP)
    await worker.look()
    assert worker.names == [["ship"]]


async def test_a_folder_in_the_place_of_the_file_is_an_error(make_worker: Make) -> None:
    worker = make_worker()
    worker.file.unlink()
    worker.file.mkdir()
    await worker.look()
    assert worker.reload.error == "tubepost.toml cannot be read: Is a directory"


async def test_other_settings_that_changed_are_named_without_their_values_and_rules_are_used(make_worker: Make) -> None:
    worker = make_worker()
    with capture_logs() as lines:
        worker.file.write_text(f'token = "a-secret-of-somebody"\n{SHIP}[server]\nport = 9000\n')
        await worker.look(5)
    assert worker.names == [["ship"]]
    assert [(line["event"], line.get("settings")) for line in lines] == [
        ("changed settings need a restart: run.py restart", "token, server.port"),
        ("changed field rules are in use", None),
    ]
    assert "a-secret" not in str(lines)


async def test_the_environment_wins_over_the_changed_file_as_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("[reading]\ngeneral = true\n")
    environ = {"TUBEPOST_CONFIG": str(file), "TUBEPOST_READING__GENERAL": "false"}
    reload = RulesReload(load_settings(environ), rules, environ)
    used: list[EncodedRules] = []

    async def use(encoded: EncodedRules) -> None:
        used.append(encoded)

    file.write_text(f"[reading]\ngeneral = true\n{SHIP}")
    for _ in range(2):
        await reload.look(use)
    reload.close()
    assert [list(each["*"]) for each in used] == [[{"name": "ship", "labels": ["Ship"], **USUAL}]]


USUAL = {"type": "text", "required": False, "show": None, "due": False}


async def test_rules_that_no_child_takes_are_tried_again(make_worker: Make) -> None:
    worker = make_worker()
    worker.refusal = SandboxUnavailableError("the reading process took over 60 s to start")
    worker.file.write_text(SHIP)
    await worker.look()
    assert worker.reload.error.startswith("no reading child takes the new rules: the reading process took")
    worker.refusal = None
    await worker.look(RETRY_LOOKS)
    assert (worker.names, worker.reload.error) == ([["ship"]], "")


async def test_a_disk_that_hangs_is_an_error_and_does_not_hold_up_the_worker(
    make_worker: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make_worker()
    await worker.look()
    monkeypatch.setattr(rules_reload, "FILE_SECONDS", 0.05)
    worker.file.unlink()
    os.mkfifo(worker.file)  # to open it waits for a writer
    await worker.look(4)
    assert worker.reload.error == "tubepost.toml cannot be read: its disk does not answer in time"
    os.close(os.open(worker.file, os.O_WRONLY))
    worker.file.unlink()
    worker.file.write_text(SHIP)
    monkeypatch.setattr(rules_reload, "FILE_SECONDS", 30.0)
    await worker.look()
    assert (worker.names, worker.reload.error) == ([["ship"]], "")

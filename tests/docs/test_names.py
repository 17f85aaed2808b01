"""The documents name only files, settings and metrics that exist."""

import re
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import BaseModel

from server.context import Context
from tests.docs.conftest import PATIENCE
from tests.support.program import PROJECT
from tests.support.waiting import eventually
from worker.main import rules
from worker.publishing.reading_metrics import ReadingMetrics
from worker.upkeep.rules_reload import RulesReload
from worker.upkeep.store_size import StoreSize
from workitems.mailstore.store import MailStore
from workitems.settings import Settings
from workitems.settings.mailbox import MailboxSettings

DOCUMENTS = {
    path.relative_to(PROJECT).as_posix(): path.read_text("utf-8")
    for path in sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
}

_SUFFIX = re.compile(r"\.(py|lua|js|ts|md|toml|conf|cfg|c|json|css|html|args|log)$")
#: Folders that no repository has.
_IGNORED = {".git", ".venv", "node_modules", "var", "__pycache__"}
#: Files of an installation, names of examples, and settings of other programs.
_OTHERS = {"tubepost.toml", "reading.json", "x.py", "xing.py", "server.proxy"}


def _path_ends() -> set[str]:
    """Return every path of the repository and each of its ends: a document may say `put.lua` alone."""
    ends = set()
    for top in PROJECT.iterdir():
        for path in (top, *(top.rglob("*") if top.is_dir() and top.name not in _IGNORED else ())):
            parts = path.relative_to(PROJECT).parts
            ends |= {"/".join(parts[start:]) for start in range(len(parts)) if not _IGNORED & set(parts)}
    return ends


PATH_ENDS = _path_ends()


def _spans(text: str) -> set[str]:
    """Return what *text* has in `code` type on one line, without its blocks of code."""
    return set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))) - _OTHERS


def _is_path(span: str) -> bool:
    if re.search(r"[\s…<>{}*=?]", span) or span.startswith(("/", "var/")):
        return False
    return bool(_SUFFIX.search(span)) or ("/" in span and (PROJECT / span.partition("/")[0]).is_dir())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_that_is_named_exists(name: str) -> None:
    assert not {span for span in _spans(DOCUMENTS[name]) if _is_path(span) and span.rstrip("/") not in PATH_ENDS}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_to_a_file(name: str) -> None:
    links = set(re.findall(r"\]\(([^)#\s]+)[^)]*\)", DOCUMENTS[name]))
    folder = (PROJECT / name).parent
    assert not {link for link in links if "://" not in link and not (folder / link).exists()}


def _section(table: str) -> type[BaseModel] | None:
    """Return the model of a table of the settings, or None where there is no such table."""
    field = Settings.model_fields.get(table)
    model = MailboxSettings if table == "mailboxes.NAME" else field and field.annotation
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _settings(text: str) -> set[tuple[str, str]]:
    """Return table and name of every setting in *text* that is written as `table.name`."""
    named = {span.rpartition(".")[::2] for span in _spans(text) if not _SUFFIX.search(span)}
    return {(table, name) for table, name in named if _section(table) and re.fullmatch("[a-z_]+", name)}


def test_every_setting_that_is_named_exists() -> None:
    named = {setting for text in DOCUMENTS.values() for setting in _settings(text)}
    assert len(named) > 25
    assert not {(table, name) for table, name in named if (model := _section(table)) and name not in model.model_fields}


async def _worker_metrics() -> CollectorRegistry:
    registry, mailstore = CollectorRegistry(), MailStore(PROJECT / "no-such-folder")
    registry.register(ReadingMetrics())
    sizes = StoreSize(mailstore)
    await sizes.measure_some()
    mailstore.close()
    registry.register(sizes)
    registry.register(RulesReload(Settings(), rules))
    return registry


async def test_every_metric_that_is_named_exists(context: Context, http_client: Any, http_server_port: Any) -> None:
    await eventually(lambda: context.monitor.intake_health is not None, PATIENCE)
    answer = await http_client.fetch(f"http://127.0.0.1:{http_server_port[1]}/metrics")
    text = answer.body.decode() + generate_latest(await _worker_metrics()).decode()
    given = set(re.findall(r"^(?:# HELP )?(\w+)", text, re.MULTILINE))
    text = re.sub(r"^\| `tubepost_\w+` \| `", "", "\n".join(DOCUMENTS.values()), flags=re.MULTILINE)  # former names
    named = set(re.findall(r"\btubepost_\w+", text))
    assert len(named) > 25
    assert not named - given

"""docs/troubleshooting.md names what there is: metrics, settings, and the words of logs, pages and answers."""

import re
from typing import Any

import pytest
from pydantic import BaseModel

from server.context import Context
from tests.server.test_stream import eventually
from tests.support.program import PROJECT
from workitems.settings import Settings
from workitems.settings.mailbox import MailboxSettings

DOCUMENT = (PROJECT / "docs/troubleshooting.md").read_text(encoding="utf-8")
TEXT = re.sub(r"^```.*?^```$", "", DOCUMENT, flags=re.DOTALL | re.MULTILINE)
SPANS = sorted(set(re.findall(r"`([^`]+)`", TEXT)))

#: What is typed, or belongs to others.
_THEIRS = re.compile(
    r"run\.py|\.venv/|curl|ss|df|du|ulimit|make|SLOWLOG|maxmemory-policy|append\w+|X-|Cache-Control|log =|proxies ="
)


def _words(span: str) -> bool:
    """Whether it is quoted from Tubepost: words with blanks between them."""
    return " " in span and not _THEIRS.match(span) and "=" not in span.split()[0]


def _sources() -> str:
    """All that our programs can say, on one line, with texts joined that stand in parts."""
    files = [*PROJECT.glob("run.py"), *(PROJECT / "demo").glob("*.py")]
    for package in ("server", "worker", "workitems"):
        files += [*(PROJECT / package).rglob("*.py"), *(PROJECT / package).rglob("*.js")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(files))
    return re.sub(r'"\s*\n\s*f?"', "", text)


SOURCES = _sources()


@pytest.mark.parametrize("span", [span for span in SPANS if _words(span)])
def test_what_is_quoted_is_said_by_some_program(span: str) -> None:
    for part in re.split(r"…", span):
        assert part.strip(" .") in SOURCES, part


async def test_every_metric_that_is_named_exists(context: Context, http_client: Any, http_server_port: Any) -> None:
    await eventually(lambda: context.monitor.overview is not None)
    answer = await http_client.fetch(f"http://127.0.0.1:{http_server_port[1]}/metrics")
    told = set(re.findall(r"^# HELP (\w+)", answer.body.decode(), re.MULTILINE))
    named = {match[0] for span in SPANS if (match := re.match(r"tubepost_\w+", span))}
    assert len(named) > 15
    assert named <= told


def test_every_setting_that_is_named_exists() -> None:
    named = {span for span in SPANS if re.fullmatch(r"(?:[a-z]+\.|mailboxes\.NAME\.)[a-z_]+", span)}
    named -= {span for span in named if span.split(".")[-1] in ("py", "js", "log", "html", "conf")}
    assert len(named) > 20
    for setting in named:
        table, _, name = setting.rpartition(".")
        section = MailboxSettings if table == "mailboxes.NAME" else Settings.model_fields[table].annotation
        assert isinstance(section, type)
        assert issubclass(section, BaseModel)
        assert name in section.model_fields, setting

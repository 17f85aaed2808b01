"""`GET /api/mailboxes`, and the same in the metrics and the counters."""

from pathlib import Path
from time import time

import pytest

from server.context import Context
from server.http.schemas import SCHEMAS
from tests.server.conftest import make_settings
from tests.server.handlers.conftest import Call, body, error
from workitems.base import keys
from workitems.mailboxes.lease import Lease
from workitems.settings import Settings
from workitems.status.heartbeats import HeartbeatWriter


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    mailbox = {"host": "imap.example.com", "user": "x", "password": "y"}
    return make_settings(redis_url, tmp_path, mailboxes={"claims": mailbox})


@pytest.fixture
def work(context: Context) -> object:
    """Write the records of a worker that reads old mail."""

    async def at_work() -> None:
        await HeartbeatWriter(context.redis, "one", 1).write(("claims",))
        await Lease(context.redis, "claims", "one", ttl_seconds=30).acquire()
        record = {"state": "watching", "checked": time() - 5, "baselines": 2, "todo": 100, "taken": 40}
        await context.redis.hset(keys.mailbox("claims"), mapping=record)
        await context.redis.xadd(keys.INTAKE, {"id": "wi_x"})
        await context.redis.zadd(keys.QUARANTINE, {"wi_y": time() * 1000 - 60_000})
        await context.redis.zadd(keys.after("claims"), {"[]": 1})

    return at_work


async def test_it_reports_the_state_of_each_mailbox_with_the_documented_names(call: Call, work: object) -> None:
    await work()  # type: ignore[operator]
    answer = await call("GET", "/api/mailboxes")
    assert answer.code == 200
    result = body(answer)
    assert set(result) == set(SCHEMAS["Mailboxes"]["properties"])
    (mailbox,) = result["mailboxes"]
    shape, intake = (SCHEMAS["Mailboxes"]["properties"][name] for name in ("mailboxes", "intake"))
    assert set(mailbox) == set(shape["items"]["properties"])
    assert set(mailbox["folders"][0]) == set(shape["items"]["properties"]["folders"]["items"]["properties"])
    assert set(result["intake"]) == set(intake["properties"])
    assert (mailbox["name"], mailbox["state"], result["intake"]["workers"]) == ("claims", "watching", 1)
    assert 4 < mailbox["age"] < 60
    assert mailbox["progress"] == [{"folder": "INBOX", "taken": 40, "todo": 100}]


async def test_mailboxes_need_the_scope_read(call: Call) -> None:
    assert error(await call("GET", "/api/mailboxes", token=None))[0] == 401


async def test_the_metrics_and_counters_have_the_same_values(call: Call, work: object, context: Context) -> None:
    await work()  # type: ignore[operator]
    assert "intake" not in body(await call("GET", "/api/stats"))
    await context.monitor.read_health()
    assert body(await call("GET", "/api/stats"))["intake"]["intake"]["workers"] == 1
    lines = (await call("GET", "/metrics")).body.decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    where = '{folder="INBOX",mailbox="claims"}'
    assert (
        values["tubepost_workers"] == values["tubepost_intake_waiting"] == values["tubepost_quarantine_items"] == "1.0"
    )
    for name in ("mailbox_up", "pending_actions"):
        assert values[f'tubepost_{name}{{mailbox="claims"}}'] == "1.0"
    assert values[f"tubepost_folder_baselines_total{where}"] == "2.0"
    assert (values[f"tubepost_backlog_taken_mails{where}"], values[f"tubepost_backlog_expected_mails{where}"]) == (
        "40.0",
        "100.0",
    )
    assert 4 < float(values[f"tubepost_folder_check_age_seconds{where}"]) < 60
    assert 55 < float(values["tubepost_quarantine_oldest_age_seconds"]) < 120
    assert 0 <= float(values["tubepost_intake_oldest_age_seconds"]) < 60

"""`/api/rules/trial` and `/api/reread`: an administrator asks, a worker does it, `GET` tells how far it is."""

import time
from pathlib import Path
from typing import Any

import pytest

from server.context import Context
from server.http.openapi import SCHEMAS
from tests.server.conftest import make_settings
from tests.server.handlers.conftest import Call, body, error
from workitems.jobs.job import DONE, REREAD, TRIAL, JobKind, JobReport
from workitems.settings import Settings, rules_child

TRIAL_PATH, REREAD_PATH = "/api/rules/trial", "/api/reread"
RULES = {"deal": {"labels": ["Deal"], "type": "reference"}}


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    box = {"host": "localhost", "user": "u", "password": "p"}
    return make_settings(redis_url, tmp_path, mailboxes={"claims": box})


async def finish(context: Context, kind: JobKind, report: JobReport) -> dict[str, Any]:
    """Do the job that was asked for, as a worker; return its request."""
    lease = context.jobs.lease(kind, "one")
    await lease.acquire()
    job = await context.jobs.start(kind, lease)
    assert job is not None
    assert await context.jobs.report(kind, lease, job, report)
    await lease.release()
    return job.request


async def test_a_trial_is_asked_for_and_its_result_is_found(call: Call, context: Context) -> None:
    assert error(await call("GET", TRIAL_PATH)) == (404, "not_found", None)
    asked = await call("POST", TRIAL_PATH, json={"rules": RULES, "mailbox": "claims", "last": 5})
    assert asked.code == 202
    job = body(asked)
    assert (job["state"], job["by"], job["result"]) == ("waiting", "demo", None)
    assert job["request"] == {"mailbox": "claims", "last": 5}
    result = {"mails": 5, "unread": 0, "fields": {}}
    request = await finish(context, TRIAL, JobReport(DONE, {"seen": 5, "total": 5}, answer=result))
    assert request == {"rules": RULES, "mailbox": "claims", "last": 5}
    done = body(await call("GET", TRIAL_PATH))
    assert (done["id"], done["state"], done["result"]) == (job["id"], "done", result)
    assert done["progress"] == {"seen": 5, "total": 5}
    assert set(done) == set(SCHEMAS["TrialJob"]["properties"])


async def test_mail_is_read_again_from_a_day_on_or_all_of_it(call: Call, context: Context) -> None:
    asked = await call("POST", REREAD_PATH, json={"since": "2026-03-01", "mailbox": "claims"})
    assert (asked.code, body(asked)["request"]) == (202, {"since": "2026-03-01", "mailbox": "claims"})
    progress = {"total": 2, "seen": 2, "put": 1, "not_kept": 1}
    await finish(context, REREAD, JobReport(DONE, progress))
    assert body(await call("GET", REREAD_PATH))["progress"] == progress
    assert body(await call("POST", REREAD_PATH))["request"] == {"since": None, "mailbox": None}


@pytest.mark.parametrize(("path", "asked"), [(TRIAL_PATH, {"rules": RULES}), (REREAD_PATH, {})])
async def test_one_of_a_kind_runs_at_a_time_and_can_be_stopped(call: Call, path: str, asked: Any) -> None:
    assert (await call("POST", path, json=asked)).code == 202
    assert error(await call("POST", path, json=asked)) == (409, "conflict", None)
    assert body(await call("DELETE", path))["state"] == "stopped"
    assert error(await call("DELETE", path)) == (404, "not_found", None)
    assert (await call("POST", path, json=asked)).code == 202


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", [TRIAL_PATH, REREAD_PATH])
async def test_only_administrators_may_ask(call: Call, context: Context, method: str, path: str) -> None:
    key = await context.auth.accounts.add_key("all", frozenset({"read", "write", "intake", "test"}))
    assert error(await call(method, path, token=key))[:2] == (403, "forbidden")
    assert error(await call(method, path, token=None))[:2] == (401, "unauthorized")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "rules"),
        ({"rules": {"deal": {"pattern": "("}}}, "rules.deal.pattern"),
        ({"rules": {f"f{n}": {"pattern": "a"} for n in range(101)}}, "rules"),
        ({"rules": RULES, "last": 0}, "last"),
        ({"rules": RULES, "last": 201}, "last"),
        ({"rules": RULES, "last": True}, "last"),
        ({"rules": RULES, "mailbox": "nowhere"}, "mailbox"),
        ({"rules": RULES, "mailbox": ["claims"]}, "mailbox"),
        ({"rules": RULES, "config": 1}, "config"),
    ],
)
async def test_a_wrong_trial_is_refused_and_nothing_waits(call: Call, asked: Any, field: str) -> None:
    assert error(await call("POST", TRIAL_PATH, json=asked)) == (422, "invalid", field)
    assert (await call("GET", TRIAL_PATH)).code == 404


async def test_the_error_of_a_wrong_rule_is_that_of_the_settings_file(call: Call) -> None:
    response = await call("POST", TRIAL_PATH, json={"rules": {"deal": {"labels": ["a"], "tpye": "date"}}})
    assert body(response)["error"]["message"] == "fields.deal.tpye: no such setting; did you mean type?"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": 1}, "since"),
        ({"mailbox": "nowhere"}, "mailbox"),
        ({"last": 1}, "last"),
    ],
)
async def test_a_wrong_reread_is_refused(call: Call, asked: Any, field: str) -> None:
    assert error(await call("POST", REREAD_PATH, json=asked)) == (422, "invalid", field)


async def test_patterns_that_take_long_to_compile_are_refused_and_cost_the_server_nothing(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of these holds an interpreter for half a second; a hundred of them would hold the server for a minute."""
    monkeypatch.setattr(rules_child, "CPU_SECONDS", 1)
    large = {f"f{n}": {"pattern": rf"{n}\pL{{350}}"} for n in range(100)}
    before = time.process_time()
    response = await call("POST", TRIAL_PATH, json={"rules": large})
    assert error(response) == (422, "invalid", "rules")
    assert "takes too much" in body(response)["error"]["message"]
    assert time.process_time() - before < 2

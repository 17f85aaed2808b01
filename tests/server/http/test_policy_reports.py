"""Reports of browsers that a page broke its policy: counted by directive, whatever strangers send."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.context import Context
from server.http.policy_reports import MAX_REPORTS, PolicyReports, broken_directives
from tests.server.handlers.conftest import Call, call, context, error
from tests.support.exposition import parse_exposition, values

__all__ = ["call", "context"]

BY_URI = {"csp-report": {"violated-directive": "script-src 'self'", "blocked-uri": "inline", "disposition": "enforce"}}
BY_ENDPOINT = {"type": "csp-violation", "url": "https://a.example", "body": {"effectiveDirective": "img-src"}}


@pytest.mark.parametrize(
    ("body", "directives"),
    [
        (BY_URI, ["script-src"]),
        ([BY_ENDPOINT, BY_ENDPOINT], ["img-src", "img-src"]),
        (
            {"csp-report": {"effective-directive": "style-src-elem", "violated-directive": "style-src"}},
            ["style-src-elem"],
        ),
        ({"csp-report": {"effective-directive": "made-up\nby a stranger"}}, ["other"]),
        ({"csp-report": {"effective-directive": 7}}, ["other"]),
        ([BY_ENDPOINT] * 100, ["img-src"] * MAX_REPORTS),
        ([1, None, {"body": 3}, {}], []),
        ("text", []),
    ],
)
def test_the_directive_of_each_report_is_found(body: Any, directives: list[str]) -> None:
    assert broken_directives(json.dumps(body).encode()) == directives


def test_what_is_no_json_has_no_reports() -> None:
    assert broken_directives(b"{") == broken_directives(b"[" * 16_000) == broken_directives(b"\xff") == []


def test_one_line_a_minute_says_how_many_reports_came_since_the_last_one() -> None:
    now = [0.0]
    reports = PolicyReports(clock=lambda: now[0])
    with capture_logs() as lines:
        for now[0] in (0.0, 1.0, 59.0, 60.0, 61.0):
            reports.add(json.dumps(BY_URI).encode())
    assert [(line["directive"], line["reports"]) for line in lines] == [("script-src", 1), ("script-src", 3)]


async def test_reports_are_counted_in_a_metric(call: Call, context: Context) -> None:
    headers = {"Content-Type": "application/csp-report"}
    sent = await call("POST", "/api/csp-report", json=BY_URI, token=None, headers=headers)
    assert (sent.code, sent.body) == (204, b"")
    assert (await call("POST", "/api/csp-report", json=[BY_ENDPOINT], token=None)).code == 204
    metrics = parse_exposition((await call("GET", "/metrics")).body.decode())
    counted = values(metrics, "tubepost_policy_reports_total")
    assert {dict(labels)["reason"]: count for labels, count in counted.items()} == {"script-src": 1, "img-src": 1}


async def test_other_bodies_are_refused(call: Call) -> None:
    assert error(await call("POST", "/api/csp-report", json={}, token=None)) == (422, "invalid", None)
    large = await call("POST", "/api/csp-report", json=[BY_ENDPOINT] * 1_000, token=None)
    assert error(large) == (413, "too_large", None)


async def test_each_page_of_ours_asks_for_reports_and_mail_does_not(call: Call, context: Context) -> None:
    session = context.auth.sign_in_by_token("a-token-for-tests") or ""
    for path in ("/login", "/api/docs", "/"):
        response = await call("GET", path, token=None, headers={"Cookie": f"tubepost_session={session}"})
        assert response.headers["Content-Security-Policy"].endswith("; report-uri /api/csp-report; report-to csp")
        assert response.headers["Reporting-Endpoints"] == 'csp="/api/csp-report"'
    assert "report" not in (await call("GET", "/api/session")).headers["Content-Security-Policy"]

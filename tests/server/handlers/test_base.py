"""What all handlers do the same: who may, other sites, errors, headers."""

from pathlib import Path
from typing import Any

import pytest
import structlog
from tornado.web import Application

from server.app import application
from server.context import Context
from server.handlers.base import Handler
from tests.server.conftest import TOKEN, make_settings
from tests.server.handlers.conftest import Call, body, cookie_header, cookies, error
from workitems.errors import StoreUnavailableError
from workitems.settings import Settings

ORIGIN = "https://app.example.com"


class Broken(Handler):
    """Fails as programs do."""

    async def get(self) -> None:
        raise RuntimeError("the secret sentence of a mail")


class Away(Handler):
    """Cannot serve just now."""

    async def get(self) -> None:
        raise StoreUnavailableError("Redis cannot serve: ConnectionError")


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, server={"origins": [ORIGIN], "proxies": ["127.0.0.1"]})


@pytest.fixture
def app(context: Context) -> Application:
    app = application(context)
    app.add_handlers(".*", [(r"/broken", Broken, {"context": context}), (r"/away", Away, {"context": context})])
    return app


async def test_nobody_is_told_to_sign_in(call: Call) -> None:
    response = await call("GET", "/api/workitems", token=None)
    assert error(response) == (401, "unauthorized", None)
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_wrong_token_is_told_so(call: Call) -> None:
    response = await call("GET", "/api/workitems", token="wrong")
    assert error(response) == (401, "unauthorized", None)
    assert "invalid_token" in response.headers["WWW-Authenticate"]


async def test_a_key_may_do_what_its_scopes_say_and_nothing_else(call: Call, context: Context) -> None:
    key = await context.auth.people.add_key("scanner", ["read"])
    assert (await call("GET", "/api/workitems", token=key)).code == 200
    assert error(await call("POST", "/api/test/workitem", token=key, json={})) == (403, "forbidden", None)
    assert error(await call("PATCH", "/api/workitems/wi_" + "a" * 26, token=key, json={})) == (403, "forbidden", None)


async def test_a_session_changes_things_with_the_xsrf_token_only(call: Call, context: Context) -> None:
    session = context.auth.sign_in_by_token(TOKEN) or ""
    told = await call("GET", "/api/session", token=None, headers=cookie_header(tubepost_session=session))
    xsrf = cookies(told)["_xsrf"]
    jar = cookie_header(tubepost_session=session, _xsrf=xsrf)
    assert error(await call("POST", "/api/test/workitem", token=None, headers=jar, json={})) == (403, "xsrf", None)
    for token in (xsrf, body(told)["xsrf"]):
        response = await call("POST", "/api/test/workitem", token=None, headers=jar | {"X-XSRFToken": token}, json={})
        assert response.code == 201
    wrong = jar | {"X-XSRFToken": xsrf[:-20] + "0" * 8 + xsrf[-12:]}
    assert error(await call("POST", "/api/test/workitem", token=None, headers=wrong, json={})) == (403, "xsrf", None)


async def test_a_bearer_call_needs_no_xsrf_token_also_beside_a_cookie(call: Call, context: Context) -> None:
    session = context.auth.sign_in_by_token(TOKEN) or ""
    jar = cookie_header(tubepost_session=session)
    assert (await call("POST", "/api/test/workitem", headers=jar, json={})).code == 201


@pytest.mark.parametrize("path", ["/nothing", "/api/workitems/7", "/api/workitems/wi_" + "A" * 26, "/static/x/y"])
async def test_what_is_not_there_is_404_in_the_same_shape(call: Call, path: str) -> None:
    assert error(await call("GET", path)) == (404, "not_found", None)


async def test_a_method_that_is_not_accepted_says_which_are(call: Call) -> None:
    response = await call("DELETE", "/api/workitems")
    assert error(response) == (405, "method_not_allowed", None)
    assert response.headers["Allow"] == "GET"


async def test_a_fault_of_ours_tells_the_caller_nothing_and_the_log_where(call: Call) -> None:
    with structlog.testing.capture_logs() as lines:
        response = await call("GET", "/broken?token=geheim")
    assert error(response) == (500, "error", None)
    assert b"secret sentence" not in response.body
    assert b"Traceback" not in response.body
    assert [line["path"] for line in lines if line["event"] == "request failed"] == ["/broken"]
    assert "geheim" not in str(lines)


async def test_a_store_that_is_away_is_503_with_a_spread_retry_after(call: Call) -> None:
    waits = {int((await call("GET", "/away")).headers["Retry-After"]) for _ in range(30)}
    assert error(await call("GET", "/away")) == (503, "store_unavailable", None)
    assert len(waits) > 2
    assert all(1 <= wait <= 10 for wait in waits)


@pytest.mark.parametrize("path", ["/api/workitems", "/api/session", "/nothing", "/login", "/away", "/healthz", "/"])
async def test_every_answer_carries_the_headers_that_protect(call: Call, path: str) -> None:
    headers = (await call("GET", path)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers


@pytest.mark.parametrize("path", ["/api/workitems", "/api/workitems?limit=x", "/nothing", "/away", "/broken"])
async def test_a_listed_site_may_read_answers_and_errors(call: Call, path: str) -> None:
    headers = (await call("GET", path, headers={"Origin": ORIGIN})).headers
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert {"Retry-After", "ETag"} <= set(headers["Access-Control-Expose-Headers"].split(", "))
    assert headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ORIGIN + ".evil.example", ORIGIN.upper(), "*"])
async def test_another_site_may_not(call: Call, origin: str) -> None:
    response = await call("GET", "/api/workitems", headers={"Origin": origin})
    assert not [name for name in response.headers if name.startswith("Access-Control")]
    assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/api/workitems", "/sse/workitems", "/api/email/intake", "/nothing"])
async def test_a_preflight_needs_no_sign_in_and_names_what_may_be_sent(call: Call, path: str) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}
    response = await call("OPTIONS", path, token=None, headers=asked)
    assert response.code == 204
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
    named = response.headers["Access-Control-Allow-Headers"]
    for name in ("Authorization", "Last-Event-ID", "If-Match", "X-XSRFToken", "Content-Type"):
        assert name in named
    stranger = await call("OPTIONS", path, token=None, headers=asked | {"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in stranger.headers


async def test_cookies_stay_on_tls_when_a_named_proxy_says_tls(call: Call) -> None:
    plain = await call("GET", "/api/session")
    secure = await call("GET", "/api/session", headers={"X-Forwarded-Proto": "https"})
    assert "secure" not in plain.headers["Set-Cookie"].lower()
    assert "secure" in secure.headers["Set-Cookie"].lower()


async def test_while_redis_is_away_a_person_is_not_signed_out(call: Call, context: Context, monkeypatch: Any) -> None:
    async def away(*_: Any) -> None:
        raise StoreUnavailableError("Redis cannot serve")

    await context.auth.people.add("ada", "correct horse", "viewer")
    session = await context.auth.sign_in("ada", "correct horse") or ""
    monkeypatch.setattr(context.auth.people, "_find", away)
    response = await call("GET", "/api/session", token=None, headers=cookie_header(tubepost_session=session))
    assert error(response) == (503, "store_unavailable", None)

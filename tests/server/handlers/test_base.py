"""What all handlers have in common: permissions, other sites, errors, headers."""

from pathlib import Path
from typing import Any

import pytest
import structlog
from tornado.httpclient import HTTPResponse
from tornado.web import Application

from server.access.credential_guard import BURST
from server.app import make_application
from server.context import Context
from server.handlers.base import BaseHandler
from tests.server.conftest import TOKEN, make_settings
from tests.server.handlers.conftest import Call, body, cookie_header, error
from tests.support.exposition import parse_exposition, values
from workitems.base.errors import StoreUnavailableError
from workitems.settings import Settings

ORIGIN = "https://app.example.com"


class Broken(BaseHandler):
    """Raise an error as a fault in the program would."""

    async def get(self) -> None:
        raise RuntimeError("the secret sentence of a mail")


class Away(BaseHandler):
    """Raise the error of an unavailable store."""

    async def get(self) -> None:
        raise StoreUnavailableError("Redis cannot serve: ConnectionError")


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    server = {"allowed_origins": [ORIGIN], "trusted_proxies": ["127.0.0.1"], "hosts": ["queue.example"]}
    return make_settings(redis_url, tmp_path, server=server)


@pytest.fixture
def app(context: Context) -> Application:
    app = make_application(context)
    app.add_handlers(".*", [(r"/broken", Broken, {"context": context}), (r"/away", Away, {"context": context})])
    return app


async def test_an_unknown_caller_gets_401(call: Call) -> None:
    response = await call("GET", "/api/workitems", token=None)
    assert error(response) == (401, "unauthorized", None)
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_wrong_token_is_reported_as_invalid(call: Call) -> None:
    response = await call("GET", "/api/workitems", token="wrong")
    assert error(response) == (401, "unauthorized", None)
    assert "invalid_token" in response.headers["WWW-Authenticate"]


@pytest.mark.usefixtures("stopped_clock")
async def test_guesses_of_bearer_tokens_must_wait_and_the_right_one_passes(call: Call) -> None:
    assert (await call("GET", "/api/workitems")).code == 200
    with structlog.testing.capture_logs() as lines:
        answers = [await call("GET", "/api/workitems", token=f"guess {n}") for n in range(BURST + 1)]
        assert (await call("GET", "/sse/workitems", token="one more guess")).code == 429
    assert [answer.code for answer in answers] == [401] * BURST + [429]
    assert error(answers[-1]) == (429, "too_many_tries", None)
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 10
    assert (await call("GET", "/api/workitems")).code == 200
    assert [line["event"] for line in lines if line["log_level"] != "debug"] == ["sign-in refused"]
    metrics = parse_exposition((await call("GET", "/metrics")).body.decode())
    refused = {
        (dict(labels)["kind"], dict(labels)["reason"]): count
        for labels, count in values(metrics, "tubepost_refused_tries_total").items()
    }
    assert refused == {("bearer", "wrong"): BURST, ("bearer", "throttled"): 2}


@pytest.mark.usefixtures("stopped_clock")
async def test_a_key_passes_at_once_after_a_restart_though_its_network_guesses(call: Call, context: Context) -> None:
    key = await context.auth.accounts.add_key("scanner", ["read"])
    guesses = [f"tp_{n:043}" for n in range(BURST + 1)]
    answers = [await call("GET", "/api/workitems", token=guess) for guess in guesses]
    assert [answer.code for answer in answers] == [401] * BURST + [429]
    assert (await call("GET", "/api/workitems", token=key)).code == 200
    assert (await call("GET", "/api/workitems", token="a short guess")).code == 429


async def test_a_key_may_do_only_what_its_scopes_allow(call: Call, context: Context) -> None:
    key = await context.auth.accounts.add_key("scanner", ["read"])
    assert (await call("GET", "/api/workitems", token=key)).code == 200
    assert error(await call("POST", "/api/test/workitem", token=key, json={})) == (403, "forbidden", None)
    assert error(await call("PATCH", "/api/workitems/wi_" + "a" * 26, token=key, json={})) == (403, "forbidden", None)


async def test_a_change_by_a_session_needs_the_xsrf_token_of_this_session(call: Call, context: Context) -> None:
    sessions = [context.auth.sign_in_by_token(TOKEN) or "" for _ in range(2)]
    jars = [cookie_header(tubepost_session=session) for session in sessions]
    mine, other = [body(await call("GET", "/api/session", token=None, headers=jar))["xsrf"] for jar in jars]

    async def change(**headers: str) -> HTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await call("POST", "/api/test/workitem", token=None, headers=jars[0] | named, json={})

    assert error(await change()) == (403, "xsrf", None)
    for wrong in (other, mine[:-1], mine.upper(), "", "x"):
        assert error(await change(X_XSRFToken=wrong)) == (403, "xsrf", None)
    assert (await change(X_XSRFToken=mine)).code == 201


@pytest.mark.parametrize(
    "sent",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
     {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://["}, {"Origin": "http://127.0.0.1:1"}],
)  # fmt: skip
async def test_no_page_of_another_site_changes_anything_by_a_cookie(
    call: Call, context: Context, sent: dict[str, str]
) -> None:
    session = context.auth.sign_in_by_token(TOKEN) or ""
    jar = cookie_header(tubepost_session=session) | {"X-XSRFToken": context.auth.xsrf_token(session).decode()}
    response = await call("POST", "/api/test/workitem", token=None, headers=jar | sent, json={})
    assert error(response) == (403, "cross_site", None)
    assert (await call("GET", "/api/workitems", token=None, headers=jar | sent)).code == 200
    assert (await call("POST", "/api/test/workitem", headers=sent, json={})).code == 201  # by bearer, as ever


@pytest.mark.parametrize(
    "sent",
    [{}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"},
     {"Origin": "https://HERE"}, {"Origin": "http://HERE"}],
)  # fmt: skip
async def test_our_own_page_and_a_listed_one_change_things_by_a_cookie(
    call: Call, context: Context, http_server_port: tuple[Any, int], sent: dict[str, str]
) -> None:
    session = context.auth.sign_in_by_token(TOKEN) or ""
    jar = cookie_header(tubepost_session=session) | {"X-XSRFToken": context.auth.xsrf_token(session).decode()}
    sent = {name: value.replace("HERE", f"127.0.0.1:{http_server_port[1]}") for name, value in sent.items()}
    assert (await call("POST", "/api/test/workitem", token=None, headers=jar | sent, json={})).code == 201


async def test_a_bearer_call_needs_no_xsrf_token_even_with_a_cookie(call: Call, context: Context) -> None:
    session = context.auth.sign_in_by_token(TOKEN) or ""
    jar = cookie_header(tubepost_session=session)
    assert (await call("POST", "/api/test/workitem", headers=jar, json={})).code == 201


@pytest.mark.parametrize("path", ["/nothing", "/api/workitems/7", "/api/workitems/wi_" + "A" * 26, "/static/x/y"])
async def test_an_unknown_path_gets_404_in_the_common_shape(call: Call, path: str) -> None:
    assert error(await call("GET", path)) == (404, "not_found", None)


async def test_the_answer_to_a_wrong_method_lists_the_accepted_ones(call: Call) -> None:
    response = await call("DELETE", "/api/workitems")
    assert error(response) == (405, "method_not_allowed", None)
    assert response.headers["Allow"] == "GET"


async def test_the_details_of_a_fault_go_to_the_log_and_not_to_the_caller(call: Call) -> None:
    with structlog.testing.capture_logs() as lines:
        response = await call("GET", "/broken?token=geheim")
    assert error(response) == (500, "error", None)
    assert b"secret sentence" not in response.body
    assert b"Traceback" not in response.body
    assert [line["path"] for line in lines if line["event"] == "request failed"] == ["/broken"]
    assert "geheim" not in str(lines)


async def test_an_unavailable_store_gives_503_with_a_random_retry_after(call: Call) -> None:
    waits = {int((await call("GET", "/away")).headers["Retry-After"]) for _ in range(30)}
    assert error(await call("GET", "/away")) == (503, "store_unavailable", None)
    assert len(waits) > 2
    assert all(1 <= wait <= 10 for wait in waits)


@pytest.mark.parametrize("path", ["/api/workitems", "/api/session", "/nothing", "/login", "/away", "/healthz", "/"])
async def test_every_response_has_the_security_headers(call: Call, path: str) -> None:
    headers = (await call("GET", path)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] in ("same-origin", "strict-origin")
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers


@pytest.mark.parametrize("path", ["/api/workitems", "/api/workitems?limit=x", "/nothing", "/away", "/broken"])
async def test_a_listed_site_may_read_responses_and_errors(call: Call, path: str) -> None:
    headers = (await call("GET", path, headers={"Origin": ORIGIN})).headers
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert {"Retry-After", "ETag"} <= set(headers["Access-Control-Expose-Headers"].split(", "))
    assert headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ORIGIN + ".evil.example", ORIGIN.upper(), "*"])
async def test_a_site_that_is_not_listed_may_not_read_them(call: Call, origin: str) -> None:
    response = await call("GET", "/api/workitems", headers={"Origin": origin})
    assert not [name for name in response.headers if name.startswith("Access-Control")]
    assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/api/workitems", "/sse/workitems", "/api/email/intake", "/nothing"])
async def test_a_preflight_needs_no_sign_in_and_names_what_is_accepted(call: Call, path: str) -> None:
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


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"Host": "queue.example:8888"}, "tubepost_session_8888"),
        ({"Host": "[::1]:8888"}, "tubepost_session_8888"),
        ({"Host": "queue.example"}, "tubepost_session"),
        ({"Host": "queue.example", "X-Forwarded-Proto": "https"}, "__Host-tubepost_session"),
        ({"Host": "queue.example:8443", "X-Forwarded-Proto": "https"}, "__Host-tubepost_session_8443"),
    ],
)
async def test_the_cookies_of_an_installation_reach_no_other_one_of_its_host(
    call: Call, headers: dict[str, str], name: str
) -> None:
    response = await call("GET", f"/login?token={TOKEN}", token=None, headers=headers)
    lines = response.headers.get_list("Set-Cookie")
    assert sorted(line.split("=")[0] for line in lines) == sorted([name, name.replace("session", "device")])
    for line in lines:
        assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(line.split("; "))
        assert ("Secure" in line.split("; ")) == ("X-Forwarded-Proto" in headers)
        assert "Domain" not in line
    session = next(line for line in lines if line.startswith(name)).split(";")[0].split("=", 1)[1]
    pairs = {"Cookie": f"{name}={session}"}
    assert (await call("GET", "/api/session", token=None, headers=headers | pairs)).code == 200
    elsewhere = headers | {"Host": "queue.example:9999"}
    assert (await call("GET", "/api/session", token=None, headers=elsewhere | pairs)).code == 401


async def test_a_session_gets_503_and_not_401_while_redis_is_unavailable(
    call: Call, context: Context, monkeypatch: Any
) -> None:
    async def away(*_: Any) -> None:
        raise StoreUnavailableError("Redis cannot serve")

    await context.auth.accounts.add_user("ada", "correct horse", "viewer")
    session = await context.auth.sign_in("ada", "correct horse") or ""
    monkeypatch.setattr(context.auth.accounts, "_find", away)
    response = await call("GET", "/api/session", token=None, headers=cookie_header(tubepost_session=session))
    assert error(response) == (503, "store_unavailable", None)


async def test_no_answer_lets_a_page_use_what_we_never_use(call: Call) -> None:
    for path in ("/healthz", "/nothing", "/login"):
        headers = (await call("GET", path)).headers
        assert headers["X-DNS-Prefetch-Control"] == "off"
        assert "camera=(), " in headers["Permissions-Policy"]


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/login", "/static/js/stream.js"])
async def test_only_answers_by_tls_ask_for_tls_from_now_on(call: Call, path: str) -> None:
    by_tls = await call("GET", path, headers={"X-Forwarded-Proto": "https"})
    assert by_tls.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in (await call("GET", path)).headers

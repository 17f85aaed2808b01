"""Signing in and out."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest
import structlog
from tornado.httpclient import HTTPResponse

from server.context import Context
from server.handlers.session import local_path
from tests.server.conftest import TOKEN
from tests.server.handlers.conftest import Call, body, cookie_header, cookies, error


async def sign_in(call: Call, form: dict[str, str], **more: Any) -> HTTPResponse:
    """Post the form as a browser does after it got it."""
    xsrf = cookies(await call("GET", "/login", token=None))["_xsrf"]
    headers = cookie_header(_xsrf=xsrf) | {"Content-Type": "application/x-www-form-urlencoded"} | more
    return await call("POST", "/login", token=None, headers=headers, body=urlencode({"_xsrf": xsrf} | form))


async def test_the_form_works_without_scripts_and_under_a_strict_policy(call: Call) -> None:
    response = await call("GET", "/login?next=/%3Ftab%3Dsse", token=None)
    icon = response.body.decode().partition('type="image/svg+xml" href="')[2].partition('"')[0]
    assert (await call("GET", icon, token=None)).code == 200
    page = response.body.decode()
    assert response.code == 200
    assert re.search(r'<input[^>]*name="password"[^>]*type="password"[^>]*autocomplete="current-password"', page)
    assert 'name="token"' in page
    assert 'name="next" value="/?tab=sse"' in page
    assert "<script" not in page
    assert TOKEN not in page
    policy = response.headers["Content-Security-Policy"]
    assert re.search(r"style-src 'nonce-([\w-]+)'", policy)[1] in page  # type: ignore[index]
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_link_with_the_token_becomes_a_session_and_leaves_no_trace(call: Call) -> None:
    with structlog.testing.capture_logs() as lines:
        response = await call("GET", f"/login?token={TOKEN}&next=/?item=1", token=None)
    assert (response.code, response.headers["Location"]) == (303, "/?item=1")
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"
    assert TOKEN not in str(list(response.headers.get_all()))
    assert TOKEN not in str(lines)
    line = next(line for line in response.headers.get_list("Set-Cookie") if line.startswith("tubepost_session"))
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
    told = body(await call("GET", "/api/session", token=None, headers=cookie_header(**cookies(response))))
    assert (told["name"], told["role"], told["via"], told["test_items"]) == ("demo", "admin", "session", True)
    assert TOKEN not in str(told)


async def test_a_wrong_token_is_refused_and_not_repeated(call: Call) -> None:
    with structlog.testing.capture_logs() as lines:
        response = await call("GET", "/login?token=nearly-the-token", token=None)
    assert response.code == 401
    assert "tubepost_session" not in cookies(response)
    assert b"nearly-the-token" not in response.body
    assert "nearly-the-token" not in str(lines)


async def test_a_person_signs_in_by_name_and_password(call: Call, context: Context) -> None:
    await context.auth.people.add("ada", "correct horse", "viewer")
    response = await sign_in(call, {"user": "ada", "password": "correct horse", "next": "/?item=2"})
    assert (response.code, response.headers["Location"]) == (303, "/?item=2")
    told = body(await call("GET", "/api/session", token=None, headers=cookie_header(**cookies(response))))
    assert (told["name"], told["role"], told["scopes"], told["test_items"]) == ("ada", "viewer", ["read"], False)


@pytest.mark.parametrize("form", [{"user": "ada", "password": "wrong"}, {"user": "<b>", "password": "x"}, {}])
async def test_a_wrong_password_is_said_in_place(call: Call, context: Context, form: dict[str, str]) -> None:
    await context.auth.people.add("ada", "correct horse", "viewer")
    response = await sign_in(call, form)
    assert response.code == 401
    assert 'role="alert"' in response.body.decode()
    assert "<b>" not in response.body.decode()
    assert "tubepost_session" not in cookies(response)


async def test_a_form_from_another_site_signs_nobody_in(call: Call) -> None:
    response = await call("POST", "/login", token=None, body=urlencode({"token": TOKEN}))
    assert error(response) == (403, "xsrf", None)


async def test_who_tries_too_often_has_to_wait_also_with_the_right_token(call: Call) -> None:
    answers = [await call("GET", "/login?token=wrong", token=None) for _ in range(11)]
    assert [answer.code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert (await call("GET", f"/login?token={TOKEN}", token=None)).code == 429


async def test_who_knows_the_token_is_never_made_to_wait(call: Call) -> None:
    assert {(await call("GET", f"/login?token={TOKEN}", token=None)).code for _ in range(30)} == {303}


@pytest.mark.parametrize("path", ["/", "/?view=open&item=SUB-2026-1", "/api/docs", "/a%0d%0ab"])
def test_a_local_path_is_kept(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "x", "//evil.example", "/\\evil.example", "\\\\evil", "https://evil.example", "/\t/evil", "/a\r\nX: y", "/ä",
     "/\x00", " /", "/a b", "/" + "x" * 3_000, "javascript:alert(1)", "/a\\..\\b"],
)  # fmt: skip
def test_whatever_could_lead_elsewhere_is_the_front_page(path: str) -> None:
    assert local_path(path) == "/"


async def test_signing_out_needs_the_xsrf_token_and_forgets_the_session(call: Call, context: Context) -> None:
    session = context.auth.sign_in_by_token(TOKEN) or ""
    told = await call("GET", "/api/session", token=None, headers=cookie_header(tubepost_session=session))
    jar = cookie_header(tubepost_session=session, **cookies(told))
    assert error(await call("POST", "/logout", token=None, headers=jar)) == (403, "xsrf", None)
    response = await call("POST", "/logout", token=None, headers=jar | {"X-XSRFToken": body(told)["xsrf"]})
    assert (response.code, response.headers["Location"]) == (303, "/login")
    assert cookies(response)["tubepost_session"] in ("", '""')


async def test_a_session_that_was_signed_out_is_good_nowhere_and_another_of_the_same_second_stays(
    call: Call, context: Context
) -> None:
    sessions = [context.auth.sign_in_by_token(TOKEN) or "" for _ in range(2)]
    jars = [cookie_header(tubepost_session=session) for session in sessions]
    told = await call("GET", "/api/session", token=None, headers=jars[0])
    jar = cookie_header(tubepost_session=sessions[0], **cookies(told))
    assert (await call("POST", "/logout", token=None, headers=jar | {"X-XSRFToken": body(told)["xsrf"]})).code == 303
    assert error(await call("GET", "/api/session", token=None, headers=jars[0])) == (401, "unauthorized", None)
    assert (await call("GET", "/api/session", token=None, headers=jars[1])).code == 200


async def test_a_session_that_is_none_leaves_no_trace_when_it_is_signed_out(call: Call, context: Context) -> None:
    told = await call("GET", "/login", token=None)
    jar = cookie_header(tubepost_session="2|1:0|forged", **cookies(told))
    xsrf = jar | {"X-XSRFToken": cookies(told)["_xsrf"]}
    assert (await call("POST", "/logout", token=None, headers=xsrf)).code == 303
    assert not await context.redis.keys("*signedout*")


async def test_a_stranger_has_no_session_and_a_key_of_any_scope_has(call: Call, context: Context) -> None:
    assert error(await call("GET", "/api/session", token=None)) == (401, "unauthorized", None)
    key = await context.auth.people.add_key("scanner", ["intake"])
    assert body(await call("GET", "/api/session", token=key))["scopes"] == ["intake"]

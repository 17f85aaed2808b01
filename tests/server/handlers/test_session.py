"""Signing in and out."""

import re
from urllib.parse import urlencode

import pytest
import structlog
from tornado.httpclient import HTTPResponse

from server.context import Context
from server.handlers.session import local_path
from tests.server.conftest import TOKEN
from tests.server.handlers.conftest import Call, body, cookie_header, cookies, error
from workitems.base.errors import StoreUnavailableError


async def get_form(call: Call, **jar: str) -> dict[str, str]:
    """Get the sign-in form with the cookies *jar*; return its XSRF token and the device's cookie."""
    response = await call("GET", "/login", token=None, headers=cookie_header(**jar))
    found = re.search(r'name="_xsrf" value="([0-9a-f]{64})"', response.body.decode())
    assert found
    return {"_xsrf": found[1], "tubepost_device": jar.get("tubepost_device") or cookies(response)["tubepost_device"]}


async def sign_in(call: Call, form: dict[str, str], **jar: str) -> HTTPResponse:
    """Get the sign-in form and post it as a browser does."""
    made = await get_form(call, **jar)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    headers |= cookie_header(tubepost_device=made["tubepost_device"])
    return await call("POST", "/login", token=None, headers=headers, body=urlencode({"_xsrf": made["_xsrf"]} | form))


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
    assert response.headers["Referrer-Policy"] == "strict-origin"
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_link_with_the_token_starts_a_session_and_the_token_is_shown_nowhere(call: Call) -> None:
    with structlog.testing.capture_logs() as lines:
        response = await call("GET", f"/login?token={TOKEN}&next=/?item=1", token=None)
    assert (response.code, response.headers["Location"]) == (303, "/?item=1")
    assert response.headers["Referrer-Policy"] == "strict-origin"
    assert response.headers["Cache-Control"] == "no-store"
    assert TOKEN not in str(list(response.headers.get_all()))
    assert TOKEN not in str(lines)
    line = next(line for line in response.headers.get_list("Set-Cookie") if line.startswith("tubepost_session"))
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
    result = body(await call("GET", "/api/session", token=None, headers=cookie_header(**cookies(response))))
    assert (result["name"], result["role"], result["via"], result["test_items"]) == ("demo", "admin", "session", True)
    assert TOKEN not in str(result)


async def test_a_wrong_token_is_refused_and_not_repeated(call: Call) -> None:
    with structlog.testing.capture_logs() as lines:
        response = await call("GET", "/login?token=nearly-the-token", token=None)
    assert response.code == 401
    assert "tubepost_session" not in cookies(response)
    assert b"nearly-the-token" not in response.body
    assert "nearly-the-token" not in str(lines)


@pytest.mark.parametrize("form", [{}, {"user": "ada"}, {"password": "correct horse"}])
async def test_an_empty_form_asks_for_what_is_missing_and_is_no_refused_try(call: Call, form: dict[str, str]) -> None:
    answers = [await sign_in(call, form) for _ in range(12)]
    assert {answer.code for answer in answers} == {422}
    assert "Enter your name and your password." in answers[0].body.decode()


async def test_while_redis_is_unavailable_the_form_says_so_and_keeps_the_name(
    call: Call, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailableError("Redis cannot serve: ConnectionError")

    monkeypatch.setattr(context.auth, "sign_in", away)
    response = await sign_in(call, {"user": "ada", "password": "correct horse", "next": "/?item=2"})
    page = response.body.decode()
    assert (response.code, int(response.headers["Retry-After"]) > 0) == (503, True)
    assert "You cannot sign in now: the store is not available now." in page
    assert re.search(r'name="user" value="ada"', page)
    assert 'name="next" value="/?item=2"' in page
    assert "correct horse" not in page
    assert "style-src 'nonce-" in response.headers["Content-Security-Policy"]


async def test_a_person_signs_in_by_name_and_password(call: Call, context: Context) -> None:
    await context.auth.accounts.add_user("ada", "correct horse", "viewer")
    response = await sign_in(call, {"user": "ada", "password": "correct horse", "next": "/?item=2"})
    assert (response.code, response.headers["Location"]) == (303, "/?item=2")
    result = body(await call("GET", "/api/session", token=None, headers=cookie_header(**cookies(response))))
    assert (result["name"], result["role"], result["scopes"], result["test_items"]) == (
        "ada",
        "viewer",
        ["read"],
        False,
    )


@pytest.mark.parametrize("form", [{"user": "ada", "password": "wrong"}, {"user": "<b>", "password": "x"}])
async def test_a_wrong_password_is_reported_on_the_form(call: Call, context: Context, form: dict[str, str]) -> None:
    await context.auth.accounts.add_user("ada", "correct horse", "viewer")
    response = await sign_in(call, form)
    assert response.code == 401
    assert 'role="alert"' in response.body.decode()
    assert "<b>" not in response.body.decode()
    assert "tubepost_session" not in cookies(response)


async def test_a_form_from_another_site_does_not_sign_in(call: Call) -> None:
    for headers in ({}, cookie_header(tubepost_device=(await get_form(call))["tubepost_device"])):
        response = await call("POST", "/login", token=None, headers=headers, body=urlencode({"token": TOKEN}))
        assert response.code == 403
        assert "This form was out of date" in response.body.decode()
        assert "tubepost_session" not in cookies(response)


async def test_the_forms_token_is_bound_to_the_browser(call: Call) -> None:
    mine, other = await get_form(call), await get_form(call)
    assert await get_form(call, tubepost_device=mine["tubepost_device"]) == mine
    form = urlencode({"token": TOKEN, "_xsrf": other["_xsrf"]})
    jar = cookie_header(tubepost_device=mine["tubepost_device"])
    response = await call("POST", "/login", token=None, headers=jar, body=form)
    assert (response.code, "tubepost_session" in cookies(response)) == (403, False)
    assert f'value="{mine["_xsrf"]}"' in response.body.decode()  # the next try works


@pytest.mark.parametrize("path", ["/login", "/logout"])
async def test_no_other_site_signs_a_browser_in_or_out(call: Call, context: Context, path: str) -> None:
    session = context.auth.sign_in_by_token(TOKEN) or ""
    form = await get_form(call)
    jar = cookie_header(tubepost_session=session, tubepost_device=form["tubepost_device"])
    xsrf = form["_xsrf"] if path == "/login" else context.auth.xsrf_token(session).decode()
    for sent in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
                 {"Origin": "null"}):  # fmt: skip
        headers = jar | {"X-XSRFToken": xsrf} | sent
        response = await call("POST", path, token=None, headers=headers, body=urlencode({"token": TOKEN}))
        assert error(response) == (403, "cross_site", None)
    headers = jar | {"X-XSRFToken": xsrf, "Sec-Fetch-Site": "same-origin"}
    assert (await call("POST", path, token=None, headers=headers, body=urlencode({"token": TOKEN}))).code == 303


@pytest.mark.usefixtures("stopped_clock")
async def test_too_many_attempts_must_wait_even_with_the_right_token(call: Call) -> None:
    answers = [await call("GET", "/login?token=wrong", token=None) for _ in range(11)]
    assert [answer.code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert (await call("GET", f"/login?token={TOKEN}", token=None)).code == 429


@pytest.mark.usefixtures("stopped_clock")
async def test_a_browser_that_signed_in_before_does_not_wait_for_strangers(call: Call, context: Context) -> None:
    await context.auth.accounts.add_user("ada", "correct horse", "viewer")
    right = {"user": "ada", "password": "correct horse"}
    first = await sign_in(call, right)
    (line,) = [each for each in first.headers.get_list("Set-Cookie") if each.startswith("tubepost_device")]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
    device = cookies(first)["tubepost_device"]
    guesses = [(await sign_in(call, {"user": "ada", "password": "x"})).code for _ in range(11)]
    assert guesses == [401] * 10 + [429]
    stranger = await sign_in(call, right)
    assert stranger.code == 429
    assert "Too many tries" in stranger.body.decode()
    assert (await sign_in(call, right, tubepost_device=device)).code == 303


async def test_sign_ins_by_the_right_token_are_not_limited(call: Call) -> None:
    assert {(await call("GET", f"/login?token={TOKEN}", token=None)).code for _ in range(30)} == {303}


@pytest.mark.parametrize("path", ["/", "/?view=open&item=SUB-2026-1", "/api/docs", "/a%0d%0ab"])
def test_a_local_path_is_kept(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "x", "//evil.example", "/\\evil.example", "\\\\evil", "https://evil.example", "/\t/evil", "/a\r\nX: y", "/ä",
     "/\x00", " /", "/a b", "/" + "x" * 3_000, "javascript:alert(1)", "/a\\..\\b"],
)  # fmt: skip
def test_a_path_that_could_lead_to_another_site_becomes_the_front_page(path: str) -> None:
    assert local_path(path) == "/"


async def test_signing_out_needs_the_xsrf_token_and_ends_the_session(call: Call, context: Context) -> None:
    session = context.auth.sign_in_by_token(TOKEN) or ""
    jar = cookie_header(tubepost_session=session)
    result = await call("GET", "/api/session", token=None, headers=jar)
    assert error(await call("POST", "/logout", token=None, headers=jar)) == (403, "xsrf", None)
    response = await call("POST", "/logout", token=None, headers=jar | {"X-XSRFToken": body(result)["xsrf"]})
    assert (response.code, response.headers["Location"]) == (303, "/login")
    assert cookies(response)["tubepost_session"] in ("", '""')


async def test_a_signed_out_session_is_refused_everywhere_and_another_of_the_same_second_stays(
    call: Call, context: Context
) -> None:
    sessions = [context.auth.sign_in_by_token(TOKEN) or "" for _ in range(2)]
    jars = [cookie_header(tubepost_session=session) for session in sessions]
    result = await call("GET", "/api/session", token=None, headers=jars[0])
    assert (
        await call("POST", "/logout", token=None, headers=jars[0] | {"X-XSRFToken": body(result)["xsrf"]})
    ).code == 303
    assert error(await call("GET", "/api/session", token=None, headers=jars[0])) == (401, "unauthorized", None)
    assert (await call("GET", "/api/session", token=None, headers=jars[1])).code == 200


async def test_signing_out_with_an_invalid_session_stores_nothing(call: Call, context: Context) -> None:
    xsrf = {"X-XSRFToken": context.auth.xsrf_token("2|1:0|forged").decode()}
    jar = cookie_header(tubepost_session="2|1:0|forged")
    assert (await call("POST", "/logout", token=None, headers=jar | xsrf)).code == 303
    assert (await call("POST", "/logout", token=None)).code == 303
    assert not await context.redis.keys("*signedout*")


async def test_an_unknown_caller_has_no_session_and_a_key_of_any_scope_has(call: Call, context: Context) -> None:
    assert error(await call("GET", "/api/session", token=None)) == (401, "unauthorized", None)
    key = await context.auth.accounts.add_key("scanner", ["intake"])
    assert body(await call("GET", "/api/session", token=key))["scopes"] == ["intake"]

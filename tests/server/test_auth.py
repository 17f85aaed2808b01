"""Who is asking, from where, how often they may try, and with what cookies are signed."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from server import secret as secret_module
from server.address import client_address, is_https
from server.auth import COOKIE, Auth, Identity, bearer
from server.secret import signing_secret
from server.throttle import REMEMBERED, SignInThrottle, Throttle
from workitems.errors import SettingsError
from workitems.people import People
from workitems.redis import Client
from workitems.settings import Settings

SECRET = b"a secret of sixteen and more"


def request(
    remote_ip: str = "127.0.0.1", protocol: str = "http", *, cookie: str | None = None, **headers: str
) -> HTTPServerRequest:
    """As it comes from a client; *cookie* is the session's."""
    told = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    if cookie is not None:
        told["Cookie"] = f"{COOKIE}={cookie}"
    made = HTTPServerRequest(headers=told, start_line=RequestStartLine("GET", "/", "HTTP/1.0"))
    made.remote_ip, made.protocol = remote_ip, protocol
    return made


@pytest.fixture
def people(redis: Client) -> People:
    return People(redis, hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def auth(people: People) -> Auth:
    return Auth(people, secret=SECRET, token="the-token", session_days=14)


async def test_the_token_is_the_demo_user_and_may_do_everything(auth: Auth) -> None:
    found = await auth.identify(request(Authorization="Bearer the-token"))
    assert found == Identity("demo", "admin", frozenset({"read", "write", "intake", "test", "admin"}), "token")
    assert found.person


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer the-toke", "Bearer the-token2", "Basic dGhlLXRva2Vu", "bearer é"]
)
async def test_another_token_is_nobody(auth: Auth, header: str) -> None:
    assert await auth.identify(request(Authorization=header)) is None


async def test_without_a_token_in_the_settings_no_token_is_good(people: People) -> None:
    auth = Auth(people, secret=SECRET, token=None, session_days=14)
    assert await auth.identify(request(Authorization="Bearer ")) is None
    assert auth.sign_in_by_token("") is None


async def test_a_key_has_its_scopes_and_is_no_person(auth: Auth, people: People) -> None:
    key = await people.add_key("scanner", ["intake"])
    found = await auth.identify(request(Authorization=f"Bearer {key}"))
    assert found == Identity("key:scanner", "key", frozenset({"intake"}), "key")
    assert not found.person


async def test_a_password_opens_a_session_that_its_change_ends(auth: Auth, people: People) -> None:
    await people.add("ada", "correct horse", "agent")
    assert await auth.sign_in("ada", "wrong") is None
    cookie = await auth.sign_in("ada", "correct horse")
    assert cookie is not None
    assert await auth.identify(request(cookie=cookie)) == Identity(
        "ada", "agent", frozenset({"read", "write"}), "session"
    )
    await people.add("ada", "battery staple", "agent")
    assert await auth.identify(request(cookie=cookie)) is None


async def test_a_request_with_cookie_and_bearer_is_a_bearer_one(auth: Auth) -> None:
    cookie = auth.sign_in_by_token("the-token")
    assert (await auth.identify(request(cookie=cookie))) is not None
    assert await auth.identify(request(cookie=cookie, Authorization="Bearer wrong")) is None


async def test_another_token_in_the_settings_ends_the_sessions_of_the_old_one(auth: Auth, people: People) -> None:
    cookie = auth.sign_in_by_token("the-token")
    later = Auth(people, secret=SECRET, token="another", session_days=14)
    assert await later.identify(request(cookie=cookie)) is None


async def test_a_cookie_of_another_secret_or_an_altered_one_is_nobody(auth: Auth, people: People) -> None:
    forged = Auth(people, secret=b"another secret that is long", token="the-token", session_days=14)
    assert await auth.identify(request(cookie=forged.sign_in_by_token("the-token"))) is None
    cookie = auth.sign_in_by_token("the-token") or ""
    for altered in (cookie[:-1], cookie.replace("|", "", 1), "x", "2|1:0|", ""):
        assert await auth.identify(request(cookie=altered)) is None


async def test_a_session_ends_after_its_days(auth: Auth, people: People) -> None:
    cookie = auth.sign_in_by_token("the-token")
    later = Auth(people, secret=SECRET, token="the-token", session_days=-1)
    assert await later.identify(request(cookie=cookie)) is None


def test_a_forwarded_address_is_believed_from_a_named_proxy_only() -> None:
    forwarded = {"X_Forwarded_For": "203.0.113.9"}
    assert client_address(request("10.0.0.1", **forwarded), ()) == "10.0.0.1"
    assert client_address(request("10.0.0.1", **forwarded), ("10.0.0.2",)) == "10.0.0.1"
    assert client_address(request("10.0.0.1", **forwarded), ("10.0.0.1",)) == "203.0.113.9"
    assert client_address(request("10.0.0.1", **forwarded), ("10.0.0.0/8",)) == "203.0.113.9"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.7, 203.0.113.9", "203.0.113.9"),  # what the caller wrote stands left and is not believed
        ("203.0.113.9, 10.0.0.2", "203.0.113.9"),  # a second proxy of ours
        ("203.0.113.9, rubbish", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
        (",".join(["10.0.0.2"] * 10_000), "10.0.0.2"),
    ],
)
def test_the_nearest_hop_that_is_no_proxy_of_ours_counts(forwarded: str, address: str) -> None:
    assert client_address(request("10.0.0.1", X_Forwarded_For=forwarded), ("10.0.0.1", "10.0.0.2")) == address


def test_https_is_believed_from_a_named_proxy_only() -> None:
    assert is_https(request("10.0.0.1", "https"), ())
    assert is_https(request("10.0.0.1", X_Forwarded_Proto="https"), ("10.0.0.1",))
    assert not is_https(request("10.0.0.1", X_Forwarded_Proto="https"), ())
    assert not is_https(request("10.0.0.1", X_Forwarded_Proto="http"), ("10.0.0.1",))


@given(st.text())
def test_no_authorization_header_breaks_anything(header: str) -> None:
    found = bearer(
        request(Authorization=header.encode("utf-8", "replace").decode("latin-1").translate({10: 32, 13: 32}))
    )
    assert found is None or isinstance(found, str)


def test_tries_are_counted_and_come_back_with_time() -> None:
    now = [0.0]
    throttle = Throttle(burst=3, seconds=10, clock=lambda: now[0])
    assert [throttle.take("a") for _ in range(4)] == [0, 0, 0, 10]
    assert throttle.take("b") == 0
    now[0] = 10
    assert [throttle.take("a"), throttle.take("a")] == [0, 10]
    throttle.give_back("a")
    assert throttle.take("a") == 0


def test_a_throttle_forgets_the_oldest_names_and_never_grows() -> None:
    throttle = Throttle(burst=1, seconds=1000, clock=lambda: 0.0)
    for n in range(REMEMBERED + 500):
        throttle.take(str(n))
    assert len(throttle._free_at) == REMEMBERED
    assert throttle.take(str(REMEMBERED + 499)) > 0


def test_sign_ins_are_throttled_by_address_and_by_name() -> None:
    throttle = SignInThrottle(clock=lambda: 0.0)
    assert [throttle.take("10.0.0.1", f"user{n}") > 0 for n in range(11)] == [False] * 10 + [True]
    assert [throttle.take(f"10.0.1.{n}", "ada") > 0 for n in range(21)] == [False] * 20 + [True]
    assert [throttle.take(f"2001:db8::{n}", "") > 0 for n in range(11)] == [False] * 10 + [True]  # one network


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "var")
    with ThreadPoolExecutor(16) as threads:
        made = set(threads.map(lambda _: signing_secret(settings), range(64)))
    assert len(made) == 1
    assert signing_secret(settings) in made
    assert stat.S_IMODE((tmp_path / "var/secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret"]


def test_a_process_that_is_second_takes_the_secret_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data=tmp_path)
    make = secret_module._make

    def raced(path: Path) -> None:
        make(path)
        make(path)

    monkeypatch.setattr(secret_module, "_make", raced)
    assert signing_secret(settings) == (tmp_path / "secret").read_text().strip().encode()


def test_a_secret_by_setting_or_file_is_used(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("from a file, long enough\n")
    chosen = Settings.model_validate({"server": {"secret": "from a setting, long"}})
    filed = Settings.model_validate({"server": {"secret_file": tmp_path / "s"}})
    assert signing_secret(chosen) == b"from a setting, long"
    assert signing_secret(filed) == b"from a file, long enough"


@pytest.mark.parametrize("content", ["", "short"])
def test_a_weak_or_empty_secret_stops_the_start_and_is_not_shown(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_text(content)
    with pytest.raises(SettingsError, match="secret: must have at least 16") as caught:
        signing_secret(Settings(data=tmp_path))
    assert not content or content not in str(caught.value)

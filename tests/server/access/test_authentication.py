"""Authentication, the client's address, the limits of sign-ins, and the key that signs cookies."""

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from server.access import signing_key as secret_module
from server.access.authentication import SESSION_COOKIE, Authenticator, Identity, bearer_token
from server.access.client_address import client_address, is_https
from server.access.rate_limit import MAX_NAMES, RateLimiter, acquire_all
from server.access.signing_key import load_signing_key
from tests.support.accounts import opened_accounts
from workitems.base.errors import SettingsError
from workitems.base.redis import RedisClient
from workitems.people.accounts import Accounts
from workitems.settings import Settings

SECRET = b"a secret of sixteen and more"


def request(
    remote_ip: str = "127.0.0.1", protocol: str = "http", *, cookie: str | None = None, **headers: str
) -> HTTPServerRequest:
    """Return a client's request; *cookie* is the session's."""
    all_headers = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    if cookie is not None:
        all_headers["Cookie"] = f"{SESSION_COOKIE}={cookie}"
    made = HTTPServerRequest(headers=all_headers, start_line=RequestStartLine("GET", "/", "HTTP/1.0"))
    made.remote_ip, made.protocol = remote_ip, protocol
    return made


@pytest.fixture
def accounts(redis: RedisClient, tmp_path: Path) -> Iterator[Accounts]:
    with opened_accounts(redis, tmp_path) as accounts:
        yield accounts


@pytest.fixture
def auth(accounts: Accounts) -> Authenticator:
    return Authenticator(accounts, secret=SECRET, token="the-token", session_days=14)


async def test_the_token_gives_the_demo_user_every_scope(auth: Authenticator) -> None:
    found = await auth.identify(request(Authorization="Bearer the-token"))
    assert found == Identity("demo", "admin", frozenset({"read", "write", "intake", "test", "admin"}), "token")


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer the-toke", "Bearer the-token2", "Basic dGhlLXRva2Vu", "bearer é"]
)
async def test_a_wrong_token_is_refused(auth: Authenticator, header: str) -> None:
    assert await auth.identify(request(Authorization=header)) is None


async def test_without_a_token_in_the_settings_no_token_is_accepted(accounts: Accounts) -> None:
    auth = Authenticator(accounts, secret=SECRET, token=None, session_days=14)
    assert await auth.identify(request(Authorization="Bearer ")) is None
    assert auth.sign_in_by_token("") is None


async def test_a_key_has_its_scopes_and_no_role_of_people(auth: Authenticator, accounts: Accounts) -> None:
    key = await accounts.add_key("scanner", ["intake"])
    found = await auth.identify(request(Authorization=f"Bearer {key}"))
    assert found == Identity("key:scanner", "key", frozenset({"intake"}), "key")


async def test_a_new_password_ends_the_sessions_of_the_old_one(auth: Authenticator, accounts: Accounts) -> None:
    await accounts.add_user("ada", "correct horse", "agent")
    assert await auth.sign_in("ada", "wrong") is None
    cookie = await auth.sign_in("ada", "correct horse")
    assert cookie is not None
    assert await auth.identify(request(cookie=cookie)) == Identity(
        "ada", "agent", frozenset({"read", "write"}), "session"
    )
    await accounts.add_user("ada", "battery staple", "agent")
    assert await auth.identify(request(cookie=cookie)) is None


async def test_a_bearer_token_counts_before_a_cookie(auth: Authenticator) -> None:
    cookie = auth.sign_in_by_token("the-token")
    assert (await auth.identify(request(cookie=cookie))) is not None
    assert await auth.identify(request(cookie=cookie, Authorization="Bearer wrong")) is None


async def test_a_new_token_in_the_settings_ends_the_sessions_of_the_old_one(
    auth: Authenticator, accounts: Accounts
) -> None:
    cookie = auth.sign_in_by_token("the-token")
    later = Authenticator(accounts, secret=SECRET, token="another", session_days=14)
    assert await later.identify(request(cookie=cookie)) is None


async def test_a_cookie_that_we_did_not_sign_is_refused(auth: Authenticator, accounts: Accounts) -> None:
    forged = Authenticator(accounts, secret=b"another secret that is long", token="the-token", session_days=14)
    assert await auth.identify(request(cookie=forged.sign_in_by_token("the-token"))) is None
    cookie = auth.sign_in_by_token("the-token") or ""
    for altered in (cookie[:-1], cookie.replace("|", "", 1), "x", "2|1:0|", ""):
        assert await auth.identify(request(cookie=altered)) is None


async def test_a_session_expires(auth: Authenticator, accounts: Accounts) -> None:
    cookie = auth.sign_in_by_token("the-token")
    later = Authenticator(accounts, secret=SECRET, token="the-token", session_days=-1)
    assert await later.identify(request(cookie=cookie)) is None


def test_a_forwarded_address_counts_only_from_a_trusted_proxy() -> None:
    forwarded = {"X_Forwarded_For": "203.0.113.9"}
    assert client_address(request("10.0.0.1", **forwarded), ()) == "10.0.0.1"
    assert client_address(request("10.0.0.1", **forwarded), ("10.0.0.2",)) == "10.0.0.1"
    assert client_address(request("10.0.0.1", **forwarded), ("10.0.0.1",)) == "203.0.113.9"
    assert client_address(request("10.0.0.1", **forwarded), ("10.0.0.0/8",)) == "203.0.113.9"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.7, 203.0.113.9", "203.0.113.9"),  # the left part is from the caller and is not trusted
        ("203.0.113.9, 10.0.0.2", "203.0.113.9"),  # the second proxy is trusted too
        ("203.0.113.9, rubbish", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
        (",".join(["10.0.0.2"] * 10_000), "10.0.0.2"),
        ("192.0.2.9:1000", "192.0.2.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("[::ffff:192.0.2.9]:80, ::ffff:10.0.0.2, 10.0.0.2:4000", "192.0.2.9"),
        ("64:ff9b::8.8.8.8", "8.8.8.8"),
        ("64:ff9b::127.0.0.1", "64:ff9b::7f00:1"),  # nobody is on this machine because of a prefix
        ("192.0.2.9:x", "10.0.0.1"),
        ("192.0.2.9:1000:2", "10.0.0.1"),
        ("[192.0.2.9", "10.0.0.1"),
    ],
)
def test_the_nearest_hop_that_is_not_a_trusted_proxy_counts(forwarded: str, address: str) -> None:
    assert client_address(request("10.0.0.1", X_Forwarded_For=forwarded), ("10.0.0.1", "10.0.0.2")) == address


def test_a_proxy_that_connects_by_ipv6_to_our_ipv4_address_is_trusted() -> None:
    forwarded = request("::ffff:10.0.0.1", X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https")
    assert client_address(forwarded, ("10.0.0.1",)) == "203.0.113.9"
    assert is_https(forwarded, ("10.0.0.1",))


@given(st.text())
def test_any_forwarded_header_is_parsed_without_an_error(header: str) -> None:
    assert client_address(request("10.0.0.1", X_Forwarded_For=header.translate({10: 32, 13: 32})), ("10.0.0.1",))


def test_forwarded_https_counts_only_from_a_trusted_proxy() -> None:
    assert is_https(request("10.0.0.1", "https"), ())
    assert is_https(request("10.0.0.1", X_Forwarded_Proto="https"), ("10.0.0.1",))
    assert not is_https(request("10.0.0.1", X_Forwarded_Proto="https"), ())
    assert not is_https(request("10.0.0.1", X_Forwarded_Proto="http"), ("10.0.0.1",))


@given(st.text())
def test_any_authorization_header_is_parsed_without_an_error(header: str) -> None:
    found = bearer_token(
        request(Authorization=header.encode("utf-8", "replace").decode("latin-1").translate({10: 32, 13: 32}))
    )
    assert found is None or isinstance(found, str)


def test_attempts_are_counted_and_become_free_again_with_time() -> None:
    now = [0.0]
    limiter = RateLimiter(burst=3, seconds=10, clock=lambda: now[0])
    assert [limiter.acquire("a") for _ in range(4)] == [0, 0, 0, 10]
    assert limiter.acquire("b") == 0
    now[0] = 10
    assert [limiter.acquire("a"), limiter.acquire("a")] == [0, 10]
    limiter.refund("a")
    assert limiter.acquire("a") == 0


def test_an_attempt_counts_in_all_limiters_or_in_none_and_a_refused_one_leaves_no_trace() -> None:
    first, second = (RateLimiter(burst=1, seconds=10, clock=lambda: 0.0) for _ in range(2))
    assert acquire_all((first, "a"), (second, "x")) == 0
    assert acquire_all((first, "b"), (second, "x")) == 10
    assert first._free_at.keys() == {"a"}
    first.refund("a")
    first.refund("nobody")
    assert not first._free_at


def test_a_limiter_forgets_the_oldest_names_so_that_it_stays_small() -> None:
    limiter = RateLimiter(burst=1, seconds=1000, clock=lambda: 0.0)
    for n in range(MAX_NAMES + 500):
        limiter.acquire(str(n))
    assert len(limiter._free_at) == MAX_NAMES
    assert limiter.acquire(str(MAX_NAMES + 499)) > 0


def test_a_secret_is_generated_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "var")
    with ThreadPoolExecutor(16) as threads:
        made = set(threads.map(lambda _: load_signing_key(settings), range(64)))
    assert len(made) == 1
    assert load_signing_key(settings) in made
    assert stat.S_IMODE((tmp_path / "var/secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret"]


def test_the_second_of_two_processes_takes_the_secret_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data=tmp_path)
    make = secret_module._make

    def raced(path: Path) -> None:
        make(path)
        make(path)

    monkeypatch.setattr(secret_module, "_make", raced)
    assert load_signing_key(settings) == (tmp_path / "secret").read_text().strip().encode()


def test_a_secret_of_the_settings_or_of_a_file_is_used(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("from a file, long enough\n")
    chosen = Settings.model_validate({"server": {"cookie_secret": "from a setting, long"}})
    filed = Settings.model_validate({"server": {"cookie_secret_file": tmp_path / "s"}})
    assert load_signing_key(chosen) == b"from a setting, long"
    assert load_signing_key(filed) == b"from a file, long enough"


@pytest.mark.parametrize("content", ["", "short"])
def test_a_weak_secret_prevents_the_start_and_is_not_shown(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_text(content)
    with pytest.raises(SettingsError, match="secret: must have at least 16") as caught:
        load_signing_key(Settings(data=tmp_path))
    assert not content or content not in str(caught.value)
    named = Settings.model_validate({"server": {"cookie_secret_file": tmp_path / "secret"}})
    with pytest.raises(
        SettingsError, match=r"^server\.cookie_secret_file: .* (is empty|must have at least 16)"
    ) as caught:
        load_signing_key(named)
    assert not content or content not in str(caught.value)

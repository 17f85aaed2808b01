"""Requests for a host that is not ours are refused: the page of a stranger cannot read us by DNS rebinding."""

from pathlib import Path

import pytest

from server.access.served_hosts import is_served
from tests.server.conftest import make_settings
from tests.server.handlers.conftest import Call, call, error
from workitems.settings import Settings
from workitems.settings.redis_and_server import ServerSettings

__all__ = ["call"]


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, server={"hosts": ["Queue.example.com"]})


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8888", "LOCALHOST.", "app.localhost:1", "127.0.0.1:8888", "[::1]:8888", "192.0.2.7",
     "[2001:db8::1]", "queue.example.com", "QUEUE.EXAMPLE.COM.:443", "inner:80"],
)  # fmt: skip
def test_addresses_loopback_names_and_names_of_the_settings_are_served(host: str) -> None:
    assert is_served(host, ServerSettings(hosts=("queue.example.com",), host="inner"))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8888", "localhost.evil.example", "127.0.0.1.evil.example", "xlocalhost",
     "sub.queue.example.com", "", "[evil.example]", "127.1", "0x7f000001"],
)  # fmt: skip
def test_other_names_are_not_served(host: str) -> None:
    assert not is_served(host, ServerSettings(hosts=("queue.example.com",)))


@pytest.mark.parametrize("path", ["/metrics", "/", "/api/workitems", "/sse/workitems", "/nothing", "/healthz"])
async def test_a_strange_host_gets_421_that_names_the_setting(call: Call, path: str) -> None:
    response = await call("GET", path, headers={"Host": "evil.example:8888"})
    assert error(response) == (421, "misdirected", None)
    assert b"'evil.example' is not a name of this server" in response.body
    assert b"server.hosts" in response.body
    assert b"tubepost_" not in response.body


async def test_an_upload_for_a_strange_host_is_refused(call: Call) -> None:
    response = await call("POST", "/api/email/intake", body=b"Subject: a\r\n\r\n", headers={"Host": "evil.example"})
    assert error(response) == (421, "misdirected", None)


async def test_a_host_of_the_settings_is_served_in_any_case(call: Call) -> None:
    assert (await call("GET", "/healthz", headers={"Host": "queue.example.com"})).code == 200

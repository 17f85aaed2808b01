"""`redis.url`: every usual address is accepted; the error of a wrong one names the wrong part and what is accepted."""

from pathlib import Path

import pytest
from redis.asyncio.connection import parse_url

from workitems.base.errors import SettingsError
from workitems.settings.load import load_settings

SECRET = "hunter2-is-secret"

#: What redis-py would take from the address instead of what the code depends on.
OVERRIDING = (
    "protocol=3", "decode_responses=true", "socket_timeout=0.1", "socket_connect_timeout=1", "timeout=1",
    "max_connections=1", "retry_on_timeout=true", "health_check_interval=1", "socket_keepalive=no", "encoding=latin1",
    "host=other.example", "port=1", "path=/x", "client_name=x", "single_connection_client=true", "legacy_responses=1",
)  # fmt: skip


def complaint(url: str) -> str:
    with pytest.raises(SettingsError) as error:
        load_settings({"TUBEPOST_REDIS__URL": url}, file=Path("/dev/null"))
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None  # a trace would show the input
    name, _, message = str(error.value).partition(": ")
    assert name == "TUBEPOST_REDIS__URL (redis.url)"
    return message


@pytest.mark.parametrize(
    "url",
    [
        "redis://h", "redis://h/", "redis://h:6380/15", "redis://:p%2F@h:1/2", "redis://user@h", "redis://:p@ss:w@h",
        "redis://h?db=3", "redis://h?username=u&password=p%26q", "rediss://u:p@[::1]:6380/", "redis://h:",
        "rediss://h?ssl_ca_certs=/etc/ca.pem&ssl_certfile=/a&ssl_keyfile=/b&ssl_cert_reqs=required",
        "rediss://h?ssl_check_hostname=false&ssl_ca_path=/etc/certs&ssl_password=x@y",
        "unix:///a/b", "unix:///a/b?db=1", "unix://u:p@/a/b.sock", "unix:///a/b?db=0&password=p",
    ],
)  # fmt: skip
def test_every_usual_address_is_accepted_and_is_understood_by_the_library(url: str) -> None:
    settings = load_settings({"TUBEPOST_REDIS__URL": url}, file=Path("/dev/null"))
    assert settings.redis_url == url
    assert parse_url(url)


@pytest.mark.parametrize("parameter", OVERRIDING)
def test_a_parameter_that_the_code_depends_on_is_refused_with_its_name(parameter: str) -> None:
    name = parameter.partition("=")[0]
    for url in ("redis://h:1/0", "rediss://h", "unix:///a/b"):
        message = complaint(f"{url}?{parameter}")
        assert message.startswith(f"the parameter {name} is not accepted; ")
        assert "accepted are db, username, password" in message


@pytest.mark.parametrize("name", ["socket_timeout", "socket_connect_timeout", "timeout"])
def test_a_time_out_in_the_address_is_refused_with_the_setting_that_has_it(name: str) -> None:
    assert "redis.timeout_seconds" in complaint(f"redis://h?{name}=1")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "must begin with redis://, rediss:// or unix://"),
        ("localhost:6379", "must begin with redis://, rediss:// or unix://"),
        ("http://h", "must begin with redis://, rediss:// or unix://"),
        ("redis+sentinel://h/name", "must begin with redis://, rediss:// or unix://"),
        ("redis:h", "must begin with redis://, rediss:// or unix://"),
        ("redis://", "the host is missing"),
        ("redis:///0", "the host is missing"),
        ("redis://:6379/0", "the host is missing"),
        ("redis://:p@:6379", "the host is missing"),
        ("redis://h:port", "the port must be a number from 1 to 65535"),
        ("redis://h:0", "the port must be a number from 1 to 65535"),
        ("redis://h:65536", "the port must be a number from 1 to 65535"),
        ("redis://h/orders", "after the host comes the number of the database, as in /0"),
        ("redis://h/0/1", "after the host comes the number of the database, as in /0"),
        ("redis://h/-1", "after the host comes the number of the database, as in /0"),
        ("redis://h?db=one", "the parameter db must be the number of the database"),
        ("redis://h?db=-1", "the parameter db must be the number of the database"),
        ("redis://h?db=", "the parameter db has no value"),
        ("redis://h?db", "the parameter db has no value"),
        ("redis://h?db=1&db=2", "the parameter db is given twice"),
        ("redis://h/1?db=2", "the database is given twice"),
        ("redis://u@h?username=v", "the user is given twice"),
        ("redis://:p@h?password=q", "the password is given twice"),
        ("redis://h?ssl_ca_certs=/a", "the parameter ssl_ca_certs needs rediss://"),
        ("rediss://h?ssl_cert_reqs=maybe", "the parameter ssl_cert_reqs must be required, optional or none"),
        ("rediss://h?ssl_check_hostname=maybe", "the parameter ssl_check_hostname must be true or false"),
        ("unix://", "the path of the socket is missing"),
        ("unix:///", "the path of the socket is missing"),
        ("unix:///a/", "the path of the socket is missing"),
        ("unix://?db=1", "the path of the socket is missing"),
        ("unix://run/redis.sock", "a socket is written with three slashes: unix:///path/of/the/socket"),
        ("unix:///a?ssl_ca_certs=/a", "the parameter ssl_ca_certs needs rediss://"),
        ("redis://h#1", "cannot be read as an address; special characters of a password"),
        ("redis://h /0", "has a space or a control character"),
        ("redis://h\n", "has a space or a control character"),
    ],
)  # fmt: skip
def test_each_wrong_part_is_named(url: str, said: str) -> None:
    assert complaint(url).startswith(said)


@pytest.mark.parametrize("mark", ["/", "?", "#", "%", "%z", "[", "]", " ", "\t", "℀", "&a=b?", "?a@"])
def test_a_special_character_of_a_password_is_accepted_or_refused_but_never_shown(mark: str) -> None:
    for password in (f"{SECRET}{mark}x", f"1{mark}{SECRET}", f"1{mark}{SECRET}="):
        for url in (f"redis://user:{password}@h:6379/0", f"redis://:{password}@h", f"unix://u:{password}@/a/b"):
            message = complaint(url)
            assert "special characters of a password are written as %XX" in message

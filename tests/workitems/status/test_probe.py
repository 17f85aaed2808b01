"""The probe needs a Redis that takes writes, and names each right that is missing."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.program import PROJECT
from tests.support.redis_server import RedisServer
from workitems.base import keys
from workitems.base.errors import StoreUnavailableError
from workitems.base.redis import RedisClient
from workitems.status.probe import NEEDED_COMMANDS, command_name, probe

ClientOf = Callable[..., RedisClient]

DOCUMENT = (PROJECT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
NAMES = [command_name(each) for each in NEEDED_COMMANDS]

#: Commands that Tubepost can do without: docs/troubleshooting.md says what they are for.
OPTIONAL = {"info", "config|get", "bgrewriteaof"}


#: Commands that Redis before 7.0 cannot check.
UNCHECKED_BY_6 = {"eval", "exec", "multi", "publish"}


async def is_before_7(redis: RedisClient) -> bool:
    return int((await redis.info("server"))["redis_version"].split(".")[0]) < 7


def documented_rule(password: str) -> list[str]:
    """Return the rule of the documents for Redis's ACL."""
    (rule,) = re.findall(r"^    (ACL SETUSER tubepost .*)$", DOCUMENT, re.MULTILINE)
    return str(rule).replace("PASSWORD", password).split()


def as_user(server: RedisServer) -> str:
    return server.url.replace("unix://", "unix://tubepost:secret@")


async def test_a_redis_with_all_rights_is_available(own_redis: RedisServer, client_of: ClientOf) -> None:
    redis = client_of(own_redis.url)
    await probe(redis)
    assert 0 < await redis.ttl(keys.PROBE) <= 3600
    assert await redis.keys("*") == [keys.PROBE.encode()]


async def test_the_documented_rule_is_enough_and_each_missing_command_is_named(
    own_redis: RedisServer, client_of: ClientOf
) -> None:
    admin = client_of(own_redis.url)
    await admin.execute_command(*documented_rule("secret"))
    redis = client_of(as_user(own_redis))
    is_old = await is_before_7(admin)  # then a rule cannot take a subcommand away alone
    for optional in OPTIONAL:
        rule = optional.partition("|")[0] if is_old else optional
        await admin.execute_command("ACL", "SETUSER", "tubepost", f"-{rule}")
    await probe(redis)
    for name in NAMES:
        if is_old and name in UNCHECKED_BY_6:
            continue
        rule = name.partition("|")[0] if is_old else name
        await admin.execute_command("ACL", "SETUSER", "tubepost", f"-{rule}")
        # A script that Redis knows is called by EVALSHA alone; PING is asked by new connections.
        await redis.connection_pool.disconnect()
        with pytest.raises(StoreUnavailableError, match=rf"(run |'|, )({re.escape(name)})\b"):
            await probe(redis)
        await admin.execute_command("ACL", "SETUSER", "tubepost", f"+{rule}")
        await probe(redis)


@pytest.mark.parametrize("rule", ["resetkeys ~other:*", "resetchannels &other"])
async def test_missing_rights_for_keys_and_the_channel_are_reported(
    own_redis: RedisServer, client_of: ClientOf, rule: str
) -> None:
    admin = client_of(own_redis.url)
    await admin.execute_command(*documented_rule("secret"))
    await admin.execute_command("ACL", "SETUSER", "tubepost", *rule.split())
    if "channels" in rule and await is_before_7(admin):
        pytest.skip("Redis before 7.0 cannot check a channel without a message to it")
    with pytest.raises(StoreUnavailableError, match=r"access (a|one of the) key|may not run publish"):
        await probe(client_of(as_user(own_redis)))


async def test_a_redis_that_takes_no_writes_is_not_available(own_redis: RedisServer, client_of: ClientOf) -> None:
    redis = client_of(own_redis.url)
    await redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreUnavailableError, match="READONLY"):
        await probe(redis)
    await redis.execute_command("REPLICAOF", "NO", "ONE")
    await redis.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailableError, match="OOM"):
        await probe(redis)


async def test_a_command_that_redis_does_not_have_is_named(binary: str | None, client_of: ClientOf) -> None:
    server = RedisServer(None, binary, "--rename-command", "XAUTOCLAIM", "").start()
    try:
        with pytest.raises(StoreUnavailableError, match="xautoclaim"):
            await probe(client_of(server.url))
    finally:
        server.stop()


def test_every_command_of_the_scripts_is_needed_or_optional() -> None:
    used = set()
    for script in Path(PROJECT, "workitems").rglob("*.lua"):
        calls = re.findall(r"redis\.p?call\('(\w+)'(?:, '(\w+)')?", script.read_text(encoding="utf-8"))
        used |= {f"{name}|{more}" if name in ("XINFO", "XGROUP") else name for name, more in calls}
    assert {each.lower() for each in used} <= {*NAMES, *OPTIONAL}


def test_every_command_of_the_clients_is_needed_or_optional() -> None:
    files = [path for path in Path(PROJECT, "workitems").rglob("*.py") if path.parent.name != "backup"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    called = {name for _, name in re.findall(r"\b(_?redis|_?blocking|pipe|pipeline)\.([a-z_]+)\(", code)}
    commands = {"delete": "del", "bgrewriteaof": "bgrewriteaof", "xpending_range": "xpending"}
    commands |= {
        name: name.replace("_", "|") for name in ("xinfo_stream", "xinfo_consumers", "xgroup_create", "config_get")
    }
    known = {commands.get(each, each) for each in called} - {"aclose", "execute", "pipeline", "from_pool"}
    known -= {"acl_check_cmd", "error_reply"}  # in Lua
    assert known <= {*NAMES, *OPTIONAL}


def test_the_documents_list_every_needed_command() -> None:
    (listed,) = re.findall(r"^The commands: (.*?)\.$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`([a-z|]+)`", listed)) == set(NAMES)

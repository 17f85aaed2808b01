"""A Redis whose policy deletes keys to free memory: mail is refused until that is corrected, and none is lost."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ResponseError

from tests.faults.worker_harness import WorkerHarness, make_mail
from tests.operations.evicted_installation import EvictedInstallation
from tests.operations.test_survival import READERS, SETTINGS
from tests.support.exposition import parse_exposition, values
from tests.support.key_kinds import LOST, MADE, NOT_NEEDED, STORED, key_kinds, kind_of
from tests.support.program import Program
from workitems.base import keys
from workitems.intake.identity import item_id

TOKEN = "a-token-of-operations"

#: Kinds of keys that the installation below does not have.
RARE = {"feed:seed", "restoring", "import:<name>:<folder>", "after:<name>:tries", "alarm:<what>", "servers"} | {
    "posted:<digest>", "signedout:<digest>", "after:<name>", "merged", "merging", "reread", "certificates",
    "fields:<mailbox>:<day>", "job:<kind>", "answer:<kind>",
}  # fmt: skip


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WorkerHarness]:
    harness = WorkerHarness(tmp_path).open()
    yield harness
    harness.close()


@pytest.fixture
def server(harness: WorkerHarness) -> Iterator[Program]:
    folder = harness.folder / "server"
    folder.mkdir()
    settings = f'data = "{harness.folder}/var"\ntoken = "{TOKEN}"\n[redis]\nurl = "{harness.redis_server.url}"\n'
    program = Program("server", folder, settings).start().ready()
    yield program
    program.stop()


def post(server: Program, number: int) -> tuple[int, dict[str, Any]]:
    """Post a mail as a program does. Return the status and the answer."""
    mail = make_mail(number)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "message/rfc822"}
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/api/email/intake", mail, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def metrics(server: Program) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def warns(server: Program) -> set[float]:
    """Return what each process says of evictions in the metrics."""
    found = values(parse_exposition(metrics(server)), "tubepost_redis_warnings")
    return {value for labels, value in found.items() if ("kind", "eviction") in labels}


def set_policy(harness: WorkerHarness, policy: str) -> None:
    with harness.redis() as client:
        client.config_set("maxmemory", "64mb")
        client.config_set("maxmemory-policy", policy)


def accepted_or_refused(answer: tuple[int, dict[str, Any]], accepted: set[str]) -> bool:
    """Note the item of an accepted mail; return whether the mail was refused, for the right reason."""
    status, said = answer
    if status == 202:
        accepted.add(said["workitem_id"])
        return False
    assert (status, said["error"]["code"]) == (503, "store_unsafe"), said
    assert "maxmemory-policy allkeys-lru" in said["error"]["message"]
    return True


def test_posts_are_refused_until_the_policy_is_corrected_and_nothing_accepted_is_lost(
    harness: WorkerHarness, server: Program
) -> None:
    harness.start_worker()
    accepted: set[str] = set()
    numbers = iter(range(10_000))

    def is_refused() -> bool:
        return accepted_or_refused(post(server, next(numbers)), accepted)

    assert not any(is_refused() for _ in range(10))
    set_policy(harness, "allkeys-lru")
    harness.until(is_refused, "a post is refused")
    assert all(is_refused() for _ in range(10))
    harness.until(lambda: warns(server) == {1.0}, "the metric says so")
    log = server.log.read_text()
    assert log.count("Redis needs attention") == 1
    assert "kind=eviction" in log
    set_policy(harness, "noeviction")
    harness.until(lambda: not is_refused(), "a post is accepted")
    assert not any(is_refused() for _ in range(10))
    harness.until(lambda: warns(server) == {0.0}, "the metric says so")
    harness.until_read(accepted)
    assert len(accepted) >= 21


def test_an_answer_does_not_show_the_address_of_the_primary(harness: WorkerHarness, server: Program) -> None:
    with harness.redis() as client:
        client.config_set("replica-read-only", "no")
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        answers: list[tuple[int, dict[str, Any]]] = []

        def is_unsafe() -> bool:
            answers.append(post(server, len(answers)))
            return answers[-1][0] == 503 and answers[-1][1]["error"]["code"] == "store_unsafe"

        harness.until(is_unsafe, "a post is refused")
        client.execute_command("REPLICAOF", "NO", "ONE")
    message = answers[-1][1]["error"]["message"]
    assert message.startswith("Redis would lose mail: it is a replica that accepts changes")
    assert "127.0.0.1" not in message
    assert "(127.0.0.1:1)" in server.log.read_text(), "the operator gets the advice"


def test_a_worker_fetches_nothing_until_the_policy_is_corrected(harness: WorkerHarness) -> None:
    set_policy(harness, "allkeys-lru")
    harness.dovecot.seed([make_mail(n) for n in range(3)])
    harness.start_worker()

    def reason() -> str:
        with harness.redis() as client:
            state, error = client.hmget(keys.mailbox("desk"), "state", "error")
        return error.decode() if state == b"paused" else ""

    harness.until(lambda: "allkeys-lru" in reason(), "the mailbox is paused, with the reason")
    assert (harness.items(), harness.waiting(), harness.checkpoint()) == ({}, 0, 0)
    assert not list((harness.folder / "var/mail").rglob("*.eml"))
    lines = [line for line in harness.log.read_text().splitlines() if "Redis needs attention" in line]
    assert len(lines) == 1
    assert "level=error" in lines[0]
    set_policy(harness, "noeviction")
    harness.until_read({item_id("desk", make_mail(n)) for n in range(3)})


def test_what_redis_deleted_before_the_policy_was_corrected_comes_back(harness: WorkerHarness, server: Program) -> None:
    harness.start_worker()
    posted = {post(server, number)[1]["workitem_id"] for number in range(20)}
    harness.until_read(posted)
    with harness.redis() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert _evict_items_only(client)
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
        harness.until(lambda: all(client.exists(keys.item(item)) for item in posted), "all items are there")
    harness.until_read(posted)


def _evict_items_only(client: Any) -> bool:
    """Have Redis delete keys until an item is gone, and say whether one is: a worker may put it back at once.

    Put back what is no item, as if it had been used last.
    """
    others = [key for key in client.keys("*") if not key.startswith(keys.item("").encode()) and client.ttl(key) < 0]
    kept = {key: client.dump(key) for key in others}
    items = client.keys(keys.item("*"))
    used = client.info("memory")["used_memory"]
    deadline = time.monotonic() + 60
    while not (is_gone := client.exists(*items) < len(items)) and time.monotonic() < deadline:
        used -= 2_000
        client.config_set("maxmemory", used)
        client.ping()
    client.config_set("maxmemory", 0)
    for key, value in kept.items():
        with suppress(ResponseError):  # it is still there, or was made anew
            client.restore(key, 0, value)
    return is_gone


@pytest.fixture
def evicted(tmp_path: Path) -> Iterator[EvictedInstallation]:
    harness = WorkerHarness(tmp_path, settings=SETTINGS).open()
    installation = EvictedInstallation(harness)
    try:
        installation.begin()
        installation.seed_more(6)
        yield installation
    finally:
        harness.close()


@pytest.mark.parametrize("fate", [MADE, STORED, NOT_NEEDED, LOST])
def test_nothing_is_lost_doubled_or_not_listed_after_redis_deleted_a_kind_of_key(
    evicted: EvictedInstallation, fate: str
) -> None:
    kinds = [kind for kind in key_kinds() if kind.fate == fate]
    # One lost index may stay unnoticed while the others are there, so such keys go one at a time.
    groups = [kinds[n::3] for n in range(3)] if fate == NOT_NEEDED else [[kind] for kind in kinds]
    deleted = set()
    for group in groups:
        evicted.harness.kill_worker()
        evicted.work_without_worker()
        before, created = evicted.records(), evicted.creations()
        with evicted.redis() as client:
            found = {key: kind_of(key.decode()) for key in client.keys("*")}
            assert all(found.values()), "all keys are classified"
            chosen = {key: kind.name for key, kind in found.items() if kind in group}
            deleted |= set(chosen.values())
            client.delete(keys.REPAIRED, *chosen)
        evicted.harness.start_worker(*READERS)
        evicted.until_repaired()
        evicted.harness.until(lambda: evicted.users() == ["ada"], "users are there")
        is_read_again = "item:<id>" in {kind.name for kind in group}
        evicted.check(before, lost=before if is_read_again else ())
        assert is_read_again or all(evicted.creations()[each] <= created[each] for each in before), "none is new twice"
    assert deleted == {kind.name for kind in kinds} - RARE


def test_nothing_is_lost_doubled_or_not_listed_after_redis_deleted_keys_at_random(
    evicted: EvictedInstallation,
) -> None:
    before = evicted.records()
    with evicted.redis() as client:
        client.config_set("maxmemory-policy", "allkeys-random")
        used, wanted = client.info("memory")["used_memory"], client.dbsize() // 2
        deadline = time.monotonic() + 60
        while client.info("stats")["evicted_keys"] < wanted and time.monotonic() < deadline:
            used -= 1_000
            client.config_set("maxmemory", used)
            client.ping()
        assert client.info("stats")["evicted_keys"] >= wanted
        lost = {each for each in evicted.expected if not client.exists(keys.item(each))}
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
        evicted.harness.until(
            lambda: (client.get(keys.REPAIRED) or b"").decode().endswith(f" {client.info('stats')['evicted_keys']}"),
            "all is compared",
        )
        evicted.until_repaired()
    evicted.harness.until(lambda: evicted.users() == ["ada"], "users are there")
    evicted.check(before, lost=lost)

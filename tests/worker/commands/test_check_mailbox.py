"""`run.py check` on mailboxes: the settings work, or it prints why not and what would."""

import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.dovecot import Dovecot
from tests.support.scripted_imap import ScriptedImap, Talk
from tests.worker.polled_mailbox import make_mail
from worker.commands.check import check
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.settings import Settings

Check = Callable[..., Awaitable[tuple[bool, str]]]


@pytest.fixture
def user(_fresh_users: Iterator[str]) -> str:
    return next(_fresh_users)


@pytest.fixture
def checked(redis_url: str, tmp_path: Path) -> Check:
    """Run the check for one mailbox. Returns whether all works, and what was printed."""

    async def run(
        port: int, name: str = "desk", sources: dict[str, Any] | None = None, **more: Any
    ) -> tuple[bool, str]:
        mailbox = {"host": "127.0.0.1", "port": port, "tls": "none", "user": name, "password": "secret", **more}
        settings = Settings.model_validate(
            {"data": tmp_path, "redis": {"url": redis_url}, "mailboxes": {"desk": mailbox}, "sources": sources or {}}
        )
        said: list[str] = []
        return await check(settings, said.append), re.sub(" +", " ", "\n".join(said))

    return run


@pytest.mark.parametrize(
    ("after", "when", "said"),
    [
        ("leave", "published", "left as it is"),
        ("seen", "published", "marked as seen once its item is published"),
        ("keyword:Tubepost", "done", "marked with the keyword Tubepost once its item is done or dismissed"),
        (
            "move:Processed",
            "published",
            'moved to "Processed" once its item is published; that folder does not exist yet',
        ),
        ("move:Sent", "published", 'moved to "Sent" once its item is published'),
    ],
)
async def test_the_after_action_is_printed(
    checked: Check, post_dovecot: Dovecot, user: str, after: str, when: str, said: str
) -> None:
    post_dovecot.seed([make_mail(1)], user=user, folder="Sent")
    fine, told = await checked(post_dovecot.port, user, after_action=after, after_action_on=when)
    assert fine, told
    assert f"after-action: mail is {said}" in told
    assert ("will be created" in told) == (after == "move:Processed")


async def test_every_folder_is_looked_at_and_one_that_is_not_there_is_refused(
    checked: Check, post_dovecot: Dovecot, user: str
) -> None:
    post_dovecot.seed([make_mail(1), make_mail(2)], user=user, folder="Claims")
    box = {"folders": ["INBOX", "Claims"], "start": "all"}
    fine, told = await checked(post_dovecot.port, user, **box)
    assert fine, told
    assert '"INBOX" holds 0 mails' in told
    assert '"Claims" holds 2 mails; 2 would be read now' in told
    fine, told = await checked(post_dovecot.port, user, **box, sent_folder="Sent Items")
    assert not fine
    assert 'the folder "Sent Items"' in told
    assert "Check folders and sent_folder" in told
    assert '"Claims" holds 2 mails' in told


async def test_nothing_is_changed(checked: Check, post_dovecot: Dovecot, user: str, redis: RedisClient) -> None:
    post_dovecot.seed([make_mail(1)], user=user)
    fine, _ = await checked(post_dovecot.port, user, after_action="move:Processed")
    assert fine
    assert not (post_dovecot.maildir(user) / ".Processed").exists()
    assert await redis.keys("*") == []


@pytest.mark.parametrize(
    ("after", "more", "flags", "said", "instead"),
    [
        ("keyword:Tubepost", "MOVE", "\\Seen \\Deleted", "keeps no keyword Tubepost", "leave, seen, move:<folder>."),
        ("seen", "", "\\Deleted \\*", "does not keep", "leave, keyword:<name>."),
        ("move:Processed", "", "\\Seen \\*", "neither MOVE (RFC 6851) nor UIDPLUS", "leave, seen, keyword:<name>."),
    ],
)
async def test_what_the_server_cannot_do_is_refused_and_what_it_can_is_named(
    checked: Check, after: str, more: str, flags: str, said: str, instead: str
) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in(f"IMAP4rev1 {more}")
        lines = [
            "* FLAGS (\\Seen)",
            f"* OK [PERMANENTFLAGS ({flags})] x",
            "* OK [UIDVALIDITY 7] x",
            "* OK [UIDNEXT 1] x",
        ]
        await talk.answer("SELECT .*", "* 0 EXISTS", *lines, end="OK [READ-WRITE] done")
        await talk.answer("UID SEARCH .*", "* SEARCH")
        if after.startswith("move:"):
            await talk.answer("STATUS .*", end="NO [NONEXISTENT] none")
        await talk.answer("LOGOUT", "* BYE")

    async with ScriptedImap(script) as server:
        fine, told = await checked(server.port, after_action=after)
    assert not fine
    assert said in told
    assert f"Set after_action to one of: {instead}" in told


async def test_an_existing_keyword_works_where_no_new_ones_are_allowed(checked: Check) -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        lines = ["* OK [PERMANENTFLAGS (\\Seen tubepost)] x", "* OK [UIDVALIDITY 7] x", "* OK [UIDNEXT 1] x"]
        await talk.answer("SELECT .*", "* 0 EXISTS", *lines, end="OK [READ-WRITE] done")
        await talk.answer("UID SEARCH .*", "* SEARCH")
        await talk.answer("LOGOUT", "* BYE")

    async with ScriptedImap(script) as server:
        fine, told = await checked(server.port, after_action="keyword:Tubepost")
    assert fine, told


async def test_a_source_whose_secret_cannot_be_read_is_reported(
    checked: Check, post_dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    gun = {"kind": "mailgun", "mailbox": "desk", "secret_file": str(secret)}
    sns = {"kind": "ses", "mailbox": "desk", "topics": ["arn:aws:sns:eu-west-1:123456789012:mail"]}
    fine, told = await checked(post_dovecot.port, user, {"gun": gun, "amazon": sns})
    assert not fine
    assert "source gun ERROR NOT usable. secret_file" in told
    assert "source amazon ok ses, filed under desk; accepted SNS topics: 1" in told
    secret.write_text("hush, nobody knows\n")
    fine, told = await checked(post_dovecot.port, user, {"gun": gun})
    assert fine
    assert "hush" not in told


async def test_a_disk_that_is_not_mounted_is_reported(redis: RedisClient, redis_url: str, tmp_path: Path) -> None:
    settings = Settings.model_validate({"redis": {"url": redis_url}, "data": str(tmp_path)})
    said: list[str] = []
    assert await check(settings, said.append)
    assert await redis.get(keys.STORE) is None  # to look joins nothing
    await redis.set(keys.STORE, "of-the-disk")
    assert not await check(settings, said.append)
    assert any("mount its disk" in line and "write of-the-disk into" in line for line in said)

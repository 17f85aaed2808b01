"""Where a backup may be restored: a pure judgement."""

from pathlib import Path

import pytest

from workitems.backup.manifest import Manifest
from workitems.backup.restore_check import MailContent, RedisContent, check_place
from workitems.base.errors import BackupError

MANIFEST = Manifest("backup-2", "", "", "our store", 0, {})

NO_REDIS, NO_MAIL = RedisContent(), MailContent()


def judge(redis: RedisContent, mail: MailContent) -> bool:
    return check_place(redis, mail, MANIFEST, Path("/data/mail"), "ADVICE")


@pytest.mark.parametrize(
    ("redis", "mail", "is_repeated"),
    [
        (NO_REDIS, NO_MAIL, False),
        (NO_REDIS, MailContent(mark="backup-2"), False),  # interrupted between the two marks
        (NO_REDIS, MailContent(mark="backup-1"), False),
        (NO_REDIS, MailContent(True, "backup-2"), False),  # Redis was emptied since
        (RedisContent("restoring", "backup-2"), MailContent(mark="backup-2"), True),
        (RedisContent("restoring", "backup-2", "our store"), MailContent(True, "backup-2"), True),
        (RedisContent("restoring", "backup-2", "our store"), MailContent(True, "backup-2", "our store"), True),
        (RedisContent("restoring", "backup-1", "our store"), NO_MAIL, True),  # its mail folder was moved away
        (RedisContent("store", "", "our store"), MailContent(True, "backup-2", "our store"), True),  # at its very end
    ],
)
def test_an_empty_place_and_what_an_interrupted_restore_left_are_accepted(
    redis: RedisContent, mail: MailContent, is_repeated: bool
) -> None:
    assert judge(redis, mail) is is_repeated


@pytest.mark.parametrize(
    ("redis", "mail", "said"),
    [
        (RedisContent("workers"), NO_MAIL, "Redis is not empty: it has keys of Tubepost, such as 'workers'. ADVICE"),
        (RedisContent("store", "", "our store"), NO_MAIL, "Redis is not empty"),
        (RedisContent("feed", "", "our store", True), NO_MAIL, "Redis is not empty"),
        (RedisContent("feed", "backup-1", "", True), NO_MAIL, "programs have worked with this Redis.*ADVICE"),
        (
            RedisContent("feed", "backup-2", "our store", True),
            MailContent(True, "backup-2", "our store"),
            "programs have worked with this Redis since a restore.*remove its key .*restoring",
        ),
        (RedisContent("items", "backup-1", "their store"), NO_MAIL, "left, and it is not emptied.*ADVICE"),
        (RedisContent("store", "", "our store"), MailContent(True, "backup-1", "our store"), "mail is not empty"),
        (
            RedisContent("feed", "", "our store", True),
            MailContent(True, "backup-2", "our store"),
            "mail is not empty",
        ),
        (NO_REDIS, MailContent(True), "mail is not empty: a backup is restored into an empty place only"),
        (NO_REDIS, MailContent(True, "backup-2", "our store"), "mail is not empty"),
        (RedisContent("restoring", "backup-2"), MailContent(True), "mail is not empty"),
        (
            RedisContent("restoring", "backup-1", "our store"),
            MailContent(True, "backup-1"),
            "restore of another backup was interrupted in /data/mail: move this folder away",
        ),
        (NO_REDIS, MailContent(True, "backup-1"), "restore of another backup was interrupted"),
    ],
)
def test_a_place_that_is_in_use_is_refused(redis: RedisContent, mail: MailContent, said: str) -> None:
    with pytest.raises(BackupError, match=said):
        judge(redis, mail)

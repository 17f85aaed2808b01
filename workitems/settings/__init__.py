"""What an operator can set: every table of `tubepost.toml` with its defaults and bounds.

`workitems.configuration` reads them; `tubepost.example.toml` shows them.
"""

from workitems.settings.fields import FieldSettings
from workitems.settings.mailbox import MailboxSettings
from workitems.settings.section import Section, read_secret
from workitems.settings.services import RedisSettings, ServerSettings, StreamSettings
from workitems.settings.whole import Settings
from workitems.settings.work import DemoSettings, IntakeSettings, RetentionSettings, SourceSettings, WorkerSettings

__all__ = [
    "DemoSettings",
    "FieldSettings",
    "IntakeSettings",
    "MailboxSettings",
    "RedisSettings",
    "RetentionSettings",
    "Section",
    "ServerSettings",
    "Settings",
    "SourceSettings",
    "StreamSettings",
    "WorkerSettings",
    "read_secret",
]

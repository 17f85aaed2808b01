"""The settings of an operator: every table of `tubepost.toml` with its defaults and bounds.

`workitems.settings.load` reads them; `tubepost.example.toml` shows them.
"""

from workitems.settings.fields import FieldSettings
from workitems.settings.intake_and_workers import (
    DemoSettings,
    IntakeSettings,
    RetentionSettings,
    SourceSettings,
    WorkerSettings,
)
from workitems.settings.mailbox import MailboxSettings
from workitems.settings.redis_and_server import RedisSettings, ServerSettings, StreamSettings
from workitems.settings.root import Settings
from workitems.settings.section import Section, read_own_secret

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
    "read_own_secret",
]

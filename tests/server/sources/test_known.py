"""The services that the settings name."""

import pytest
from redis.asyncio import Redis

from server.sources.known import Sources
from server.sources.pinned import PinnedHost
from workitems.errors import SettingsError
from workitems.settings import SourceSettings


def test_a_secret_that_cannot_be_used_is_told_with_the_name_of_its_source() -> None:
    empty = SourceSettings.model_validate({"kind": "mailgun", "mailbox": "claims", "secret": ""})
    with pytest.raises(SettingsError, match=r"^sources\.website\.secret: is set and empty"):
        Sources({"website": empty}, Redis(), PinnedHost())

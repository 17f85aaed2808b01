"""The webhook services that the settings name."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from server.intake.sources.pinned_https import PinnedHttpsClient
from server.intake.sources.registry import SourceRegistry
from workitems.base.errors import SettingsError
from workitems.settings import SourceSettings


def test_an_error_in_a_secret_names_its_source(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("short\n")
    short = SourceSettings.model_validate({"kind": "mailgun", "mailbox": "claims", "secret_file": tmp_path / "short"})
    with pytest.raises(SettingsError, match=r"^sources\.website\.secret_file: .* must have at least 16"):
        SourceRegistry({"website": short}, Redis(), PinnedHttpsClient())

"""A provider on loopback whose certificate is trusted, and mailboxes that sign in there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.dovecot import make_certificate
from tests.support.token_endpoint import TokenEndpoint
from workitems.settings import MailboxSettings


@pytest.fixture(scope="session")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("provider")
    make_certificate(place)
    return place


@pytest.fixture
def endpoint(_certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(_certificate) as endpoint:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", endpoint.ca_file)
        yield endpoint


@pytest.fixture
def mailbox_of(endpoint: TokenEndpoint, tmp_path: Path) -> Callable[..., MailboxSettings]:
    """Makes settings: `application` (Microsoft, by itself), `person` (Microsoft, by a refresh token) or `google`."""
    own: dict[str, dict[str, Any]] = {
        "application": {"auth": "microsoft", "tenant": "example.onmicrosoft.com", "client_secret": "app-secret"},
        "person": {"auth": "microsoft", "token_file": tmp_path / "token"},
        "google": {"auth": "google", "client_secret": "app-secret", "token_file": tmp_path / "token"},
    }

    def make(kind: str, *, kept: str | None = "refresh-0", **changes: Any) -> MailboxSettings:
        if kept and kind != "application":
            (tmp_path / "token").touch(0o600)
            (tmp_path / "token").write_text(f"{kept}\n")
        always = {"host": "127.0.0.1", "user": "desk@example.com", "client_id": "app-1", "authority": endpoint.address}
        return MailboxSettings(**{**always, **own[kind], **changes})

    return make

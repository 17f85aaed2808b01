"""The files that `--with-settings` adds to a backup: the settings and every secret that they name."""

from pathlib import Path

from workitems.settings import Settings
from workitems.settings.secret_files import named_files

#: The name in the backup of the key that signs cookies, when it was generated.
SIGNING_KEY = "secret"


def settings_files(settings: Settings, file: Path) -> dict[str, Path]:
    """Return name in the backup → file, of those that exist: *file* with the settings, the generated signing key, and
    what settings that end with `_file` name, such as `mailboxes.desk.password_file`.
    """
    found = {"tubepost.toml": file, SIGNING_KEY: settings.data / "secret", **dict(named_files(settings))}
    return {name: path for name, path in found.items() if path.is_file()}

"""The manifest of a backup: `backup.json`, which is replaced as a whole when the next backup is complete."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from workitems.backup.part import Part
from workitems.base.errors import BackupError
from workitems.mailstore import durable_files

#: The format that this program writes. A change that an older program cannot restore raises it.
FORMAT = 1

#: The file's name. A folder that has it is a backup, or becomes one.
MANIFEST = "backup.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a complete backup has. `started` and `finished` are ISO 8601 UTC; `store` is the id of the mail store."""

    id: str
    started: str
    finished: str
    store: str
    #: Bytes of the mail store's files.
    bytes: int
    #: `tombstones`, `items` and `keys` of Redis, and `files`: the list of all other files.
    parts: dict[str, Part]
    #: Copies of the settings' files → where these were.
    settings: dict[str, str] = field(default_factory=dict)
    #: Generation of the data in Redis; '' when the backup is older than generations.
    generation: str = ""


def write_manifest(folder: Path, manifest: Manifest | None) -> None:
    """Replace the manifest; None marks a folder whose first backup is not complete. Raises OSError."""
    record = {"format": FORMAT, **(asdict(manifest) if manifest else {})}
    path = folder / MANIFEST
    durable_files.write_files(folder, [(path, json.dumps(record, indent=1).encode() + b"\n")])
    path.chmod(0o600)


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest, None before the first backup is complete. Raises BackupError for what is no backup."""
    path = folder / MANIFEST
    try:
        record = json.loads(path.read_bytes())
        version = int(record.pop("format"))
        if version > FORMAT:
            raise BackupError(
                f"{folder} was written by a newer Tubepost (format {version}; this one reads formats up to {FORMAT}): "
                "update this one"
            )
        if not record:
            return None
        parts = {name: Part(**part) for name, part in record.pop("parts").items()}
        return Manifest(**record, parts=parts)
    except (FileNotFoundError, NotADirectoryError):
        raise BackupError(f"{folder} is no backup: it has no {MANIFEST}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupError(f"{path} is damaged: put another copy of it there, or use another folder") from error

"""The kinds of keys that Redis has, as the tables in workitems/base/keys.py name them."""

import re
from dataclasses import dataclass

from workitems.base import keys

#: The first words of the heading of each table.
MADE, STORED, NOT_NEEDED, LOST = "Made again", "Stored", "Not needed", "Lost"


@dataclass(frozen=True, slots=True)
class KeyKind:
    """The keys of one row of a table: `name` is its first column, `fate` what its heading begins with."""

    name: str
    fate: str

    def matches(self, key: str) -> bool:
        """Return whether a key, without the prefix of all keys, is of this kind."""
        return any(re.fullmatch(re.sub("<.*?>", "[^:]+", each), key) for each in self.name.split(", "))


def key_kinds() -> list[KeyKind]:
    """Return all kinds; a key belongs to the first one that matches it."""
    kinds, fate = [], ""
    for line in (keys.__doc__ or "").splitlines():
        if line.endswith(":") and not line.startswith("|"):
            (fate,) = (each for each in (MADE, STORED, NOT_NEEDED, LOST) if line.startswith(each))
        elif (row := re.match(r"\| ([^|]+) \| ", line)) and row[1] != "key":
            kinds.append(KeyKind(row[1], fate))
    return kinds


def kind_of(key: str) -> KeyKind | None:
    """Return the kind of a key of ours; None when no table names it."""
    return next((kind for kind in key_kinds() if kind.matches(key.removeprefix(keys.PREFIX))), None)

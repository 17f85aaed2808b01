"""What the servers of some providers do differently, by host name. A wrong entry costs only a hint of new mail.

Source: the tables of mail clients that watch many providers (EmailEngine's among others); not tried on real accounts.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerQuirks:
    """How the servers of one provider differ.

    `max_idle_seconds`: when they forget an IDLE or end it with BYE, less a margin; 0: IDLE never announces mail.
    `has_noop_updates`: whether NOOP announces new mail; where it does not, the folder is selected again.
    `is_id_required`: whether a folder opens only after the client named itself (ID, RFC 2971).
    """

    max_idle_seconds: float = math.inf
    has_noop_updates: bool = True
    is_id_required: bool = False


_YAHOO = ServerQuirks(max_idle_seconds=150)
_NETEASE = ServerQuirks(max_idle_seconds=0, has_noop_updates=False, is_id_required=True)

#: The end of a host name → its quirks.
TABLE = {
    "yahoo.com": _YAHOO,
    "aol.com": _YAHOO,
    "rambler.ru": ServerQuirks(max_idle_seconds=50),
    "163.com": _NETEASE,
    "126.com": _NETEASE,
    "yeah.net": _NETEASE,
    "naver.com": ServerQuirks(has_noop_updates=False),
}

NO_QUIRKS = ServerQuirks()


def find_quirks(host: str) -> ServerQuirks:
    """Return the quirks of the provider whose name *host* is or ends with, else NO_QUIRKS."""
    name = host.rstrip(".").lower()
    return next((each for end, each in TABLE.items() if name == end or name.endswith("." + end)), NO_QUIRKS)

"""What some providers' servers do otherwise than others, by the host's name. A hint is all that they may lose by it.

Source: the tables of mail clients that watch many of them (EmailEngine's among others); not tried on real accounts.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """`idle`: seconds after which its servers forget an IDLE or end it with BYE, less a margin; 0: IDLE tells nothing.

    `renews`: whether NOOP brings news of the folder; where it does not, the folder is opened again.
    `wants_id`: whether it lets nobody open a folder who has not said which program he is (ID, RFC 2971).
    """

    idle: float = math.inf
    renews: bool = True
    wants_id: bool = False


_YAHOO = Provider(idle=150)
_NETEASE = Provider(idle=0, renews=False, wants_id=True)

#: The end of a host's name → the provider.
TABLE = {
    "yahoo.com": _YAHOO,
    "aol.com": _YAHOO,
    "rambler.ru": Provider(idle=50),
    "163.com": _NETEASE,
    "126.com": _NETEASE,
    "yeah.net": _NETEASE,
    "naver.com": Provider(renews=False),
}

ORDINARY = Provider()


def provider_of(host: str) -> Provider:
    """The provider whose name *host* is or ends with; an ordinary one for all others."""
    name = host.rstrip(".").lower()
    return next((each for end, each in TABLE.items() if name == end or name.endswith("." + end)), ORDINARY)

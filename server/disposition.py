"""The `Content-Disposition` of a download (RFC 6266): a stranger chose the file name."""

import re
import unicodedata
from urllib.parse import quote

#: Characters of a file name; file systems stop at 255 bytes.
LONGEST = 120

#: What RFC 5987 lets stand as it is, besides letters and digits.
_ATTR_CHAR = "!#$&+-.^_`|~"

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')


def attachment(name: str, fallback: str) -> str:
    """A header value that makes browsers store, never show: once in ASCII, once in full."""
    clean = file_name(name) or fallback
    plain = unicodedata.normalize("NFKD", clean).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._ ()-]", "_", plain).strip(" .") or fallback
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(clean, safe=_ATTR_CHAR)}"


def file_name(name: str) -> str:
    """*name* without folders, control and direction characters; its ending survives when it is cut. Maybe ''."""
    shown = "".join(c for c in name[:1000] if unicodedata.category(c) not in ("Cf", "Cc", "Cs", "Zl", "Zp"))
    shown = _FORBIDDEN.sub("_", re.split(r"[/\\]", shown)[-1]).strip(" .")
    if len(shown) <= LONGEST:
        return shown
    stem, dot, ending = shown.rpartition(".")
    return stem[: LONGEST - len(ending) - 1] + dot + ending if dot and len(ending) <= 10 else shown[:LONGEST]

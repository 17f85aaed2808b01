"""The `Content-Disposition` header of a download (RFC 6266). The sender of the mail chose the file name."""

import re
import unicodedata
from urllib.parse import quote

#: Characters of a file name at most; file systems allow 255 bytes.
MAX_FILE_NAME = 120

#: Characters that RFC 5987 allows unescaped, besides letters and digits.
_ATTR_CHAR = "!#$&+-.^_`|~"

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')


def content_disposition(name: str, fallback: str) -> str:
    """Return a header value that makes browsers save the file and not show it: the name in ASCII and in full."""
    clean = file_name(name) or fallback
    plain = unicodedata.normalize("NFKD", clean).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._ ()-]", "_", plain).strip(" .") or fallback
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(clean, safe=_ATTR_CHAR)}"


def file_name(name: str) -> str:
    """Return *name* without folders, control and direction characters; it may be ''.

    A name that is too long keeps its extension.
    """
    shown = "".join(c for c in name[:1000] if unicodedata.category(c) not in ("Cf", "Cc", "Cs", "Zl", "Zp"))
    shown = _FORBIDDEN.sub("_", re.split(r"[/\\]", shown)[-1]).strip(" .")
    if len(shown) <= MAX_FILE_NAME:
        return shown
    stem, dot, ending = shown.rpartition(".")
    if dot and len(ending) <= 10:
        return stem[: MAX_FILE_NAME - len(ending) - 1] + dot + ending
    return shown[:MAX_FILE_NAME]

"""Judges the address of a link as a browser does (WHATWG URL §4.4): which program opens it, and which host."""

import re
import unicodedata
from urllib.parse import unquote

#: The schemes that a link may have. A link to a `data:` page would open a page of the sender.
SCHEMES = frozenset({"http", "https", "mailto", "tel"})
_WEB = frozenset({"http", "https"})

#: What a URL parser removes: "C0 control or space" at both ends, and tabs and line ends everywhere.
_ENDS = "".join(map(chr, range(0x21)))
_EVERYWHERE = str.maketrans("", "", "\t\n\r")

#: An address as nearly all are written, which a URL parser does not change.
_USUAL = re.compile(r"https?://[^\x00-\x20/\\][^\x00-\x20]*")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE | re.ASCII)
_AUTHORITY = re.compile(r"https?://([^/\\?#]*)")
#: Characters that take no room, besides those of the category Cf; UTS #46 ignores or refuses them.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
#: The host of a mail address; commas and the fields of RFC 6068 separate addresses.
_RECIPIENT = re.compile(r"@([^\s@,;?&=<>\"']+)")
_PORT = re.compile(r":\d*$", re.ASCII)
#: Characters of a label in a host name at most (RFC 1035 §2.3.4).
_LABEL = 63


def read_link(value: str) -> str | None:
    """Return the address as the browser will read it, or None if its scheme is not accepted.

    An address of the web always gets "//": a browser takes `https:path` as relative to its page.
    """
    if _USUAL.fullmatch(value):
        return value
    link = value.strip(_ENDS).translate(_EVERYWHERE)
    found = _SCHEME.match(link)
    scheme = found[1].lower() if found else ""
    if found is None or scheme not in SCHEMES:
        return None
    rest = link[found.end() :]
    return f"{scheme}://{rest.lstrip('/' + chr(92))}" if scheme in _WEB else f"{scheme}:{rest}"


def host_of(link: str) -> str:
    """Return the host of an address from `read_link` in its ASCII form; "" if it is no address of the web."""
    found = _AUTHORITY.match(link)
    if found is None:
        return ""
    host = found[1].rpartition("@")[2]  # before it are a name and a password, which may look like a host
    return ascii_host(unquote(_PORT.sub("", host)))


def recipient_hosts(link: str) -> list[str]:
    """Return the hosts of the recipients of a `mailto:` address from `read_link`, in their ASCII form."""
    if not link.startswith("mailto:"):
        return []
    return list(dict.fromkeys(map(ascii_host, _RECIPIENT.findall(unquote(link)))))


def ascii_host(host: str) -> str:
    """Return the host name as DNS knows it (UTS #46, RFC 3492): lower case, one kind of dot, `xn--`."""
    if host.isascii():
        return host.lower().strip(".")
    return ".".join(_ascii_label(label) for label in plain(host).strip(".").split("."))


def plain(text: str) -> str:
    """Return the text in lower case without invisible characters and without variants of letters and dots."""
    return text.lower() if text.isascii() else visible(text).replace("\u3002", ".").lower()


def visible(text: str) -> str:
    """Return the text without invisible characters and without variants of letters (NFKC)."""
    seen = "".join(character for character in _UNSEEN.sub("", text) if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", seen)


def _ascii_label(label: str) -> str:
    if label.isascii() or len(label) > _LABEL:
        return label
    return "xn--" + label.encode("punycode", "replace").decode("ascii")

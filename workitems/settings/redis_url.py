"""Checks `redis.url`. No message has a part of the address that could be of its password."""

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, urlsplit

#: Query parameters that every address may have, and those of TLS. redis-py would take any argument of its connection
#: from the query, and prefer it to what `workitems.base.redis.connect` sets.
_ANYWHERE = ("db", "username", "password")
_OF_TLS = (
    "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_cert_reqs", "ssl_check_hostname",
)  # fmt: skip

#: Parameter → what its value must be, where not every text is accepted.
_VALUES = {
    "db": (r"\d{1,5}", "the number of the database"),
    "ssl_cert_reqs": ("required|optional|none", "required, optional or none"),
    "ssl_check_hostname": ("true|false", "true or false"),
}

_EXAMPLES = "redis://user:password@host:6379/0, rediss://… with TLS, or unix:///path/of/the/socket"
_ESCAPE = "special characters of a password are written as %XX: / as %2F, ? as %3F, # as %23, % as %25, @ as %40"
_CUT = f"cannot be read as an address; {_ESCAPE}"


def check_redis_url(url: str) -> None:
    """Raise ValueError with what is wrong in the address and what is accepted."""
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValueError(f"has a space or a control character; {_ESCAPE}")
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme not in ("redis", "rediss", "unix"):
        raise ValueError(f"must begin with redis://, rediss:// or unix://, such as {_EXAMPLES}")
    try:
        parts = urlsplit(url)
    except ValueError:  # its message shows what is before the host
        raise ValueError(_CUT) from None
    # What follows an unescaped / ? or # of a password is taken for a path, a parameter or a fragment.
    has_cut_password = "@" in parts.path or "@" in re.sub(r"password=[^&]*", "", parts.query)
    if has_cut_password or "#" in url or re.search(r"%(?![0-9A-Fa-f]{2})", url):
        raise ValueError(_CUT)
    (_check_socket if scheme == "unix" else _check_host)(parts)
    _check_parameters(parts)


def _check_host(parts: SplitResult) -> None:
    if not parts.hostname:
        raise ValueError(f"the host is missing; accepted is such as {_EXAMPLES}; {_ESCAPE}")
    try:
        is_port = parts.port is None or parts.port > 0
    except ValueError:
        is_port = False
    if not is_port:
        raise ValueError(f"the port must be a number from 1 to 65535; {_ESCAPE}")
    if not re.fullmatch(r"(/\d{0,5})?", parts.path):
        raise ValueError(f"after the host comes the number of the database, as in /0; {_ESCAPE}")


def _check_socket(parts: SplitResult) -> None:
    if parts.netloc and not parts.netloc.endswith("@"):
        raise ValueError(f"a socket is written with three slashes: unix:///path/of/the/socket; {_ESCAPE}")
    if parts.path.endswith("/") or not parts.path:
        raise ValueError("the path of the socket is missing: unix:///path/of/the/socket")


def _check_parameters(parts: SplitResult) -> None:
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in (*_ANYWHERE, *_OF_TLS):
            raise ValueError(_not_accepted(name))
        if name in _OF_TLS and parts.scheme != "rediss":
            raise ValueError(f"the parameter {name} needs rediss://")
        if name in found:
            raise ValueError(f"the parameter {name} is given twice")
        if not value:
            raise ValueError(f"the parameter {name} has no value")
        pattern, accepted = _VALUES.get(name, (".*", ""))
        if not re.fullmatch(pattern, value):
            raise ValueError(f"the parameter {name} must be {accepted}")
        found[name] = value
    _check_given_once(parts, found)


def _check_given_once(parts: SplitResult, found: Mapping[str, str]) -> None:
    before = {"username": ("user", parts.username), "password": ("password", parts.password)}
    before["db"] = ("database", parts.path.strip("/") if parts.scheme != "unix" else "")
    for name, (what, value) in before.items():
        if value and name in found:
            raise ValueError(f"the {what} is given twice: before the ? and as the parameter {name}")


def _not_accepted(name: str) -> str:
    # A name that is unlike a parameter's may be the end of a password.
    shown = f" {name}" if re.fullmatch("[a-z]+(_[a-z]+)*", name) else ""
    cure = "set redis.timeout_seconds instead; " if shown.endswith("timeout") else ""
    accepted = f"accepted are {', '.join(_ANYWHERE)}, and with rediss:// {', '.join(_OF_TLS)}"
    return f"the parameter{shown} is not accepted; {cure}{accepted}; {_ESCAPE}"

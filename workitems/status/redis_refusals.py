"""Explains what Redis, or whatever is at its address, answers instead of serving us. Pure."""

import re
from typing import NamedTuple

from workitems.base.errors import TubepostError
from workitems.base.redis import error_words
from workitems.status.finding import Finding


class _Refusal(NamedTuple):
    """What to say when *pattern* is in an error; `{words}` in the message is the error itself."""

    pattern: str
    kind: str
    message: str
    advice: str


_PLAIN = "Use a Redis that is not in cluster mode."
_IN_URL = "Check user and password in redis.url, which has redis://user:password@host or redis://:password@host."
_PRIMARY = "Let redis.url name the primary, or an address that follows it at a failover."

#: The first that matches counts.
_REFUSALS = (
    _Refusal(r"NOAUTH|Authentication required|must authenticate", "password", "it wants a password", _IN_URL),
    _Refusal(
        r"without any password configured|no password is set",
        "password",
        "it has no password, but redis.url has one",
        "Remove the password from redis.url, or set one in Redis (requirepass).",
    ),
    _Refusal(
        r"WRONGPASS|username-password pair|invalid password|^AuthenticationError",
        "password",
        "it refuses the user or the password",
        _IN_URL + " Special characters are written as %XX.",
    ),
    _Refusal(
        r"NOPERM|NoPermission|no permissions?\b|may not run",
        "permission",
        "its user has not all rights: {words}",
        "Run in Redis: ACL SETUSER NAME ~{tubepost}:* resetchannels &workitems_updates +@all -@admin -@dangerous +info "
        "+config|get +bgrewriteaof",
    ),
    _Refusal(
        r"READONLY|ReadOnlyError|read only replica|MASTERDOWN",
        "replica",
        "it is a replica, which accepts no changes",
        _PRIMARY,
    ),
    _Refusal(
        r"SELECT is not allowed in cluster",
        "cluster",
        "it is a node of a Redis Cluster, which has no database but 0",
        _PLAIN,
    ),
    _Refusal(
        r"^(Moved|Ask)|\b(MOVED|ASK)\b|CROSSSLOT|CLUSTERDOWN|ClusterDown|Hash slot not served",
        "cluster",
        "it is a node of a Redis Cluster that does not have our data: {words}",
        _PLAIN,
    ),
    _Refusal(
        r"unknown command ['`]?(?:SELECT|SET|EVAL|DEL)\b",
        "sentinel",
        "it is a Sentinel, or another service that stores nothing",
        "Let redis.url name the Redis itself.",
    ),
    _Refusal(
        r"DB index is out of range",
        "database",
        "it has no database of this number",
        "Use a lower number in redis.url, or raise databases in the configuration of Redis.",
    ),
    _Refusal(
        r"\bOOM\b|OutOfMemory|maxmemory",
        "memory",
        "its memory is full",
        "Raise maxmemory; retention.keep_days removes old items.",
    ),
    _Refusal(
        r"MISCONF|snapshots|append only file",
        "disk",
        "it accepts no changes, since it cannot write to its disk",
        "Look at its disk and its log.",
    ),
    _Refusal(
        r"NOREPLICAS|NoReplicas|good replicas",
        "replicas",
        "it has too few replicas to accept changes",
        "Start its replicas, or lower min-replicas-to-write.",
    ),
    _Refusal(r"LOADING|BusyLoading", "loading", "it is reading its data", "Wait until it has, then try again."),
    _Refusal(
        r"max number of clients",
        "clients",
        "it has as many clients as it accepts",
        "Raise maxclients in the configuration of Redis.",
    ),
    _Refusal(
        r"DENIED|protected mode",
        "protected_mode",
        "it accepts only clients of its own machine (protected mode)",
        "Set a password in Redis (requirepass), and put it into redis.url.",
    ),
    _Refusal(
        r"InvalidResponse|Protocol error|multi-bulk|as Redis does",
        "protocol",
        "the service at this address is not Redis",
        "Check host and port of redis.url.",
    ),
    _Refusal(
        r"SSL|TLS|certificate",
        "tls",
        "TLS does not work: {words}",
        "Write rediss:// only if it speaks TLS there. For your own certificate add ?ssl_ca_certs=/path to redis.url.",
    ),
    _Refusal(
        r"reset by peer|closed by server|Connection lost|Broken pipe",
        "closed",
        "the service at this address closes the connection",
        "Check host and port of redis.url, and whether it wants TLS (rediss://).",
    ),
    _Refusal(
        r"Permission denied|^PermissionError",
        "socket",
        "its socket may not be opened",
        "Run this as the user of Redis, or set unixsocketperm in the configuration of Redis.",
    ),
)


def explain_refusal(error: BaseException, advice: str) -> Finding:
    """Return what *error* means. *advice* is for an error that has no other."""
    words = _words(error)
    for refusal in _REFUSALS:
        if re.search(refusal.pattern, words):
            message = refusal.message.replace("{words}", words)
            return Finding(refusal.kind, message, refusal.advice, is_error=True)
    return Finding("unreachable", f"NOT reached: {words}", advice, is_error=True)


def _words(error: BaseException) -> str:
    """Return what was answered; an error of ours has that in its text."""
    ours = isinstance(error, TubepostError)
    words = str(error).removeprefix("Redis cannot serve: ") if ours else error_words(error)
    return words.rstrip(".,: ")

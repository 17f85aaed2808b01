"""Classifies a mail. Automatic mail gets its kind and is never dropped; the most reliable signs are checked first."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from worker.reading.kinds.auto_replies import find_auto_reply
from worker.reading.mime.parts import Part

#: Every kind that `classify` returns. No header makes a mail the team's `own`: anybody can write one.
KINDS = ("human", "auto_reply", "bounce", "list", "notification", "invitation", "receipt")

#: Types of the part of a delivery report that programs read (RFC 3464, 6533).
DELIVERY_STATUS = ("message/delivery-status", "message/global-delivery-status")
_DISPOSITION = ("message/disposition-notification", "message/global-disposition-notification")

#: Methods of iTIP (RFC 5546 §1.4) by which an organizer or an attendee asks something of the other.
_ASKING = {"request", "add", "cancel", "counter", "declinecounter", "refresh"}

_KEYWORD = re.compile(r"[a-z-]{0,40}")
_DAEMON = re.compile(r"^(?:mailer-?daemon|mail-daemon|mdaemon)\b")
_POSTMASTER = re.compile(r"^postmaster(?:@|$)")
_NO_REPLY = re.compile(
    r"^(?:no-?_?reply|do-?not-?reply|notifications?|alerts?|nicht-?antworten|ne-?pas-?repondre)\b[^@]{0,60}@"
)


#: Subjects of returned mail, and what mail servers say in it: people send with an empty Return-Path, too.
_RETURNED = re.compile(
    r"undeliver|not (?:be )?delivered|delivery (?:status|failure|failed|has failed|error|report|incomplete|delayed)"
    r"|mail delivery|failure notice|returned (?:mail|to sender)|unzustellbar|nicht zugestellt|zustellung fehlgeschlagen"
    r"|non (?:remis|distribu)|échec de (?:la )?(?:remise|distribution)|no (?:se )?(?:pudo )?entrega|mancata consegna"
    r"|impossibile recapitare|onbestelbaar|niet (?:af)?geleverd|недоставлен|не доставлен|niedostarcz|nedoruč"
    r"|não (?:foi )?entregue|falha na entrega|配信(?:不能|エラー)|退信|未送达",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"(?:(?<!\d)[45]\d\d[ -]|#|status: ?)[45]\.\d{1,3}\.\d{1,3}(?!\d)|(?:said|error|reason|response): ?[45]\d\d(?!\d)",
    re.IGNORECASE,
)
#: Characters of the text in which they are looked for.
_SEEN = 4_000


class Kind(NamedTuple):
    """What sort of mail it is, and the sign that decided it."""

    name: str
    reason: str


def classify(
    root: Part, from_email: str, subject: str, *, text: str = "", method: str = "", is_delivered: bool = False
) -> Kind:
    """Return the kind, one of KINDS, and why.

    *method* is that of its calendar part; *is_delivered* says that its delivery report has no failure.
    """
    return (
        _report(root, from_email, is_delivered)
        or _calendar(method)
        or _automatic(root, from_email, subject, text)
        or _bulk(root, from_email)
        or Kind("human", "no sign of automatic mail")
    )


def is_automatic(root: Part) -> bool:
    """Return whether the mail says that no person wrote it (RFC 3834 §5)."""
    return _submitted(root) not in {"", "no"}


def find_parts(root: Part, types: tuple[str, ...]) -> Iterator[Part]:
    """Yield the parts of those types in order; the parser has bounded their number."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if part.type in types:
            yield part
        waiting += reversed(part.children)


def _report(root: Part, from_email: str, is_delivered: bool) -> Kind | None:
    report = root.parameters.get("report-type", "").lower() if root.type == "multipart/report" else None
    if report is None and not _is_sent_by_program(root, from_email):  # people forward reports with all their parts
        return None
    if report == "disposition-notification" or next(find_parts(root, _DISPOSITION), None) is not None:
        return Kind("receipt", "disposition notification")
    if report == "feedback-report":
        return Kind("notification", "feedback report")
    if report is None and next(find_parts(root, DELIVERY_STATUS), None) is None:
        return None
    return Kind("receipt", "delivery report without a failure") if is_delivered else Kind("bounce", "delivery report")


def _is_sent_by_program(root: Part, from_email: str) -> bool:
    return (
        _DAEMON.match(from_email) is not None
        or _POSTMASTER.match(from_email) is not None
        or root.headers.plain("return-path") == "<>"
        or _submitted(root) not in {"", "no"}
        or root.headers.raw("x-failed-recipients") is not None
    )


def _calendar(method: str) -> Kind | None:
    if method == "reply":
        return Kind("receipt", "calendar method REPLY")
    return Kind("invitation", f"calendar method {method.upper()}") if method in _ASKING else None


def _automatic(root: Part, from_email: str, subject: str, text: str) -> Kind | None:
    headers = root.headers
    has_no_return = headers.plain("return-path") == "<>"
    if _DAEMON.match(from_email):
        return Kind("bounce", "sender is a mail server")
    if headers.raw("x-failed-recipients") is not None:
        return Kind("bounce", "header X-Failed-Recipients")
    if sign := find_auto_reply(headers, subject):
        return Kind("auto_reply", sign)
    if has_no_return and _POSTMASTER.match(from_email):
        return Kind("bounce", "sender is a mail server, and the Return-Path is empty")
    if _submitted(root) == "auto-replied":
        return Kind("auto_reply", "header Auto-Submitted: auto-replied")
    if has_no_return and _submitted(root) not in {"", "no"}:
        return Kind("bounce", "empty Return-Path, and header Auto-Submitted")
    if has_no_return and (_RETURNED.search(subject) or _SAID.search(text[:_SEEN])):
        return Kind("bounce", "empty Return-Path, and words of a mail server")
    return Kind("bounce", "sender is a mail server") if _POSTMASTER.match(from_email) else None


def _bulk(root: Part, from_email: str) -> Kind | None:
    headers = root.headers
    for name in ("list-id", "list-post"):
        if headers.raw(name) is not None:
            return Kind("list", f"header {name.title()}")
    precedence = headers.plain("precedence")
    if precedence == "list":
        return Kind("list", "header Precedence: list")
    if is_automatic(root):
        return Kind("notification", f"header Auto-Submitted: {_submitted(root)}")
    if precedence in {"bulk", "junk"}:
        return Kind("notification", f"header Precedence: {precedence}")
    for name in ("list-unsubscribe", "feedback-id"):
        if headers.raw(name) is not None:
            return Kind("notification", f"header {name.title()}")
    return Kind("notification", "sender takes no replies") if _NO_REPLY.match(from_email) else None


def _submitted(root: Part) -> str:
    return (_KEYWORD.match(root.headers.plain("auto-submitted")) or [""])[0]

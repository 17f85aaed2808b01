"""What kind of mail it is. Machine mail is named, never dropped; the surest signs come first."""

import re

from worker.reading.headers import Headers
from worker.reading.message import Part

#: Our own mail carries this field, so that two desks never answer each other for ever.
OWN = "x-tubepost"

_KEYWORD = re.compile(r"[a-z-]{0,40}")
_DAEMON = re.compile(r"^(?:mailer-daemon|postmaster|mail-daemon|mdaemon)(?:@|$)")
_NO_REPLY = re.compile(
    r"^(?:no-?_?reply|do-?not-?reply|notifications?|alerts?|nicht-?antworten|ne-?pas-?repondre)\b[^@]{0,60}@"
)
_AWAY = re.compile(
    r"^(?:auto(?:matic|matische|matisch)?[ -]?(?:reply|response|antwort)|abwesenheits|out of (?:the )?office"
    r"|réponse automatique|respuesta automática|risposta automatica|automatisch antwoord|absence du bureau)",
    re.IGNORECASE,
)


def kind(root: Part, from_email: str, subject: str) -> str:
    """human, own, auto_reply, bounce, list or notification.

    `X-Auto-Response-Suppress` is no sign: Outlook puts it on mail that people wrote.
    """
    headers = root.headers
    if headers.raw(OWN) is not None:
        return "own"
    if root.type == "multipart/report":
        return (
            "notification" if root.parameters.get("report-type", "").lower() == "disposition-notification" else "bounce"
        )
    submitted = (_KEYWORD.match(headers.plain("auto-submitted")) or [""])[0]
    if submitted == "auto-replied" or _is_auto_reply(headers, subject):
        return "auto_reply"
    if headers.plain("return-path") == "<>" or _DAEMON.match(from_email):
        return "bounce"
    precedence = headers.plain("precedence")
    if headers.raw("list-id") is not None or headers.raw("list-post") is not None or precedence == "list":
        return "list"
    if submitted not in {"", "no"} or precedence in {"bulk", "junk"}:
        return "notification"
    if (
        headers.raw("list-unsubscribe") is not None
        or headers.raw("feedback-id") is not None
        or _NO_REPLY.match(from_email)
    ):
        return "notification"
    return "human"


def _is_auto_reply(headers: Headers, subject: str) -> bool:
    if headers.plain("precedence") in {"auto_reply", "auto-reply"}:
        return True
    named = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply")
    return any(headers.plain(name) not in {"", "no"} for name in named) or _AWAY.match(subject) is not None

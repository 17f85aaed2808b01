"""The HTTP interface as OpenAPI 3.1. A test compares it with the route table."""

from functools import partial
from typing import Any

from server.http import schemas
from server.http.rule_schemas import DAY, RULE_SCHEMAS
from workitems.base.statuses import STATUSES

Json = dict[str, Any]

#: Name → shape of each request and answer.
SCHEMAS: Json = schemas.SCHEMAS | RULE_SCHEMAS


def _parameter(place: str, name: str, description: str = "", **schema: Any) -> Json:
    text = {"description": description} if description else {}
    return {"name": name, "in": place} | text | {"schema": schema or {"type": "string"}}


def _path(name: str, **schema: Any) -> Json:
    return _parameter("path", name, **schema) | {"required": True}


_query, _header = partial(_parameter, "query"), partial(_parameter, "header")
_ID = _path("id", type="string", pattern="^wi_[a-z2-7]{26}$")
_SUBMISSION = _path("id", type="string", pattern="^sub_[a-z2-7]{26}$")
_NUMBER = _path("n", type="integer", minimum=1)


def _json(description: str, schema: str) -> Json:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _other(description: str, kind: str | None = None) -> Json:
    return {"description": description} | ({"content": {kind: {"schema": {"type": "string"}}}} if kind else {})


#: Status → its description in every operation that names it.
_ERRORS = {
    400: "The request is malformed.",
    401: "The caller is unknown: sign in, or send a bearer token.",
    403: "The caller lacks the scope, the XSRF token is wrong, or another site's page sent this; `code` says which.",
    404: "It does not exist, or it was removed.",
    409: "Another change came first; `item` is the item as it is now.",
    410: "The raw mail is no longer kept; what was read from it is.",
    413: "The body is too large; `message` says how many bytes are accepted.",
    415: "This content type is not accepted; `message` names those that are.",
    422: "`field` names the part that is wrong, `message` says what is accepted.",
    429: "Too many attempts; see Retry-After.",
    503: "Redis, the disk or the intake is not available now; see Retry-After.",
}


_IF_MATCH = _header("If-Match", 'The version that the change is for: `"3"`.')


def _operation(
    summary: str, scope: str | None, answers: dict[int, Json], errors: tuple[int, ...] = (), **more: Any
) -> Json:
    """Return one operation; *scope* None: open to all."""
    if scope:
        errors = (401, 403, 429, 503, *errors)
    responses = {str(status): answer for status, answer in answers.items()}
    responses |= {str(status): _json(_ERRORS[status], "Error") for status in sorted(set(errors))}
    security: list[Json] = [{"bearer": []}, {"session": []}] if scope else []
    needs = "For every known caller." if scope == "any" else f"Needs the scope `{scope}`."
    note = {"description": needs} if scope else {}
    return {"summary": summary, "security": security, "responses": responses} | note | more


def _body(required: bool = True, **kinds: str | None) -> Json:
    names = {"json": "application/json", "mail": "message/rfc822", "form": "application/x-www-form-urlencoded"}
    content = {names[kind]: {"schema": {"$ref": f"#/components/schemas/{schema}"} if schema else {"type": "string"}}
               for kind, schema in kinds.items()}  # fmt: skip
    return {"required": required, "content": content}


def _job(summary: str, request: str, found: str, schema: str) -> Json:
    """Return the operations of a kind of job."""
    return {
        "post": _operation(
            summary, "admin",
            {202: _json("A worker does it; ask by GET how far it is.", schema),
             409: _json("Another one is not finished.", "Error")},
            (413, 422), requestBody=_body(json=request)),
        "get": _operation(found, "admin", {200: _json("The last one.", schema)}, (404,)),
        "delete": _operation("Stop it", "admin", {200: _json("It is stopped.", schema)}, (404,)),
    }  # fmt: skip


_FILTERS = [
    _query("status", "Only items of this status.", enum=list(STATUSES)),
    _query("mailbox", "Only items of this mailbox."),
]
_STREAM_FILTERS = [
    _query("status", "Only items of this status; one that leaves it is sent once more with `left: true`."),
    _query("mailbox", "Only items of this mailbox; may be repeated."),
    _query("last_event_id", "The cursor to continue from; the header Last-Event-ID wins."),
    _header("Last-Event-ID", "The cursor to continue from."),
]
_NEXT = _query("next", "Where to go after the sign-in; a local path.")

PATHS: Json = {
    "/": {"get": _operation("The page; without a session, 303 to the sign-in", None,
                            {200: _other("The page.", "text/html"), 303: _other("To `/login`.")})},
    "/login": {
        "get": _operation("The sign-in form; with `token` a session begins at once", None,
                          {200: _other("The form.", "text/html"), 303: _other("Signed in; to `next`.")}, (401, 429),
                          parameters=[_query("token", "The access token."), _NEXT]),
        "post": _operation("Sign in", None, {303: _other("Signed in; to `next`.")}, (401, 403, 422, 429, 503),
                           requestBody=_body(form="SignIn")),
    },
    "/logout": {"post": _operation("Sign out", None, {303: _other("To `/login`.")}, (403,))},
    "/api/session": {"get": _operation("The caller's name, role and scopes", "any",
                                       {200: _json("The caller.", "Session")})},
    "/api/workitems": {"get": _operation(
        "A page of the queue, newest first", "read", {200: _json("Items.", "Page")}, (422,),
        parameters=[*_FILTERS, _query("submission", "Only items of this submission."),
                    _query("before", "`next` of the page before."),
                    _query("limit", "Items on a page.", type="integer", minimum=1, maximum=200, default=50)])},
    "/api/workitems/{id}": {
        "parameters": [_ID],
        "get": _operation("The whole item", "read",
                          {200: _json("The item; ETag is its version.", "WholeItem"),
                           202: _json("Its mail is being read.", "Pending")}, (404,)),
        "patch": _operation("Change status, assignee or fields, in the caller's name", "write",
                            {200: _json("The item as it is now.", "Item"), 409: _json(_ERRORS[409], "Conflict")},
                            (404, 413, 422),
                            parameters=[_IF_MATCH],
                            requestBody=_body(json="Change")),
        "delete": _operation("Erase it for ever, with its mail, its history and its events", "admin",
                             {200: _json("It is erased and its mail will not make it again.", "Removed"),
                              409: _json(_ERRORS[409], "Conflict")}, (404, 422),
                             parameters=[_IF_MATCH, _query("reason", "Stored for ever: give no personal data.")]),
    },
    "/api/workitems/{id}/retry": {"parameters": [_ID], "post": _operation(
        "Read its mail again", "write", {202: _json("It waits to be read.", "Pending")}, (404, 410))},
    "/api/workitems/{id}/split": {"parameters": [_ID], "post": _operation(
        "Give the item a submission of its own", "write",
        {200: _json("The item as it is now.", "Item"), 409: _json(_ERRORS[409], "Conflict")},
        (404, 422), parameters=[_IF_MATCH])},
    "/api/submissions/{id}/merge": {"parameters": [_SUBMISSION], "post": _operation(
        "Move all items of the submission into another one of the same mailbox", "write",
        {200: _json("They are moved; mail that answers them follows.", "Merged"),
         409: _json("Another merge runs, or not all was moved yet; try again.", "Error")},
        (404, 413, 422), requestBody=_body(json="Merge"))},
    "/api/quarantine": {"get": _operation(
        "Mail that could not be read as it should, the oldest first", "read",
        {200: _json("Items.", "Quarantine")}, (422,),
        parameters=[_query("start", "How many items to skip.", type="integer", minimum=0, default=0),
                    _query("limit", "Items on a page.", type="integer", minimum=1, maximum=200, default=50)])},
    "/api/fields/hit-rate": {"get": _operation(
        "How often each field of your rules was found in new mail of people, by day and mailbox", "read",
        {200: _json("Days with such mail, the first one first.", "HitRate")}, (422,),
        parameters=[_query("mailbox", "Only this mailbox; without it, all that the settings name."),
                    _query("from", "The first day (UTC), such as 2026-03-01; without it, 30 days.", **DAY),
                    _query("to", "The last day; today without it.", **DAY)])},
    "/api/rules/trial": _job(
        "Try field rules on the newest stored mails; nothing changes", "Trial",
        "What the rules find, beside what was found before", "TrialJob"),
    "/api/reread": _job(
        "Have stored mail read again, the newest first", "Reread",
        "How far it is", "RereadJob"),
    "/api/workitems/{id}/message": {"parameters": [_ID], "get": _operation(
        "The body of the mail, for a sandboxed frame", "read", {200: _other("Sanitized HTML.", "text/html")}, (404,),
        parameters=[_query("images", "`1` allows images over https.")])},
    "/api/workitems/{id}/raw": {"parameters": [_ID], "get": _operation(
        "The raw mail", "read", {200: _other("A download.", "message/rfc822")}, (404, 410))},
    "/api/workitems/{id}/attachments/{n}": {"parameters": [_ID, _NUMBER], "get": _operation(
        "An attachment of the mail", "read", {200: _other("A download.", "application/octet-stream")}, (404,))},
    "/api/email/intake": {"post": _operation(
        "Upload a mail", "intake", {202: _json("The mail is stored and waits to be read.", "Receipt")}, (413, 415, 422),
        parameters=[_query("mailbox", "The mailbox for it.")],
        requestBody=_body(json="Mail", mail=None))},
    "/api/email/intake/{source}": {"parameters": [_path("source")], "post": _operation(
        "The webhook of a service that the settings name, which proves itself by a signature or a password", None,
        {200: _json("The mail is stored and waits to be read; or the request held no mail.", "Received"),
         406: _json("For Mailgun: sending it again cannot help.", "Error")}, (401, 403, 404, 413, 415, 422, 503))},
    "/api/test/workitem": {"post": _operation(
        "Make a test item, where the settings allow it", "test", {201: _json("The item.", "Item")}, (413, 422),
        requestBody=_body(required=False, json="TestItem"))},
    "/sse/workitems": {"get": _operation(
        "The stream of events (text/event-stream): unnamed messages, each a JSON envelope with `event`", "read",
        {200: _other("Events until one side closes.", "text/event-stream")}, (422, 429),
        parameters=_STREAM_FILTERS),
        "head": _operation("The headers of the stream", "read", {200: _other("Only headers.")})},
    "/api/mailboxes": {"get": _operation(
        "The state of each mailbox, how many workers are alive, and how many mails wait", "read",
        {200: _json("For each mailbox, and for the whole intake.", "Mailboxes")})},
    "/api/stats": {"get": _operation("Streams, events and delays of the server processes of all hosts", "read",
                                     {200: _json("Counters.", "Stats")})},
    "/api/openapi.json": {"get": _operation("This description", None, {200: _json("OpenAPI 3.1.", "Anything")})},
    "/api/docs": {"get": _operation("This description for people", None, {200: _other("A page.", "text/html")})},
    "/static/{version}/{file}": {
        method: _operation(f"A file of the page ({method.upper()})", None, {200: _other("The file.")}, (404,),
                           parameters=[_path("version"), _path("file")])
        for method in ("get", "head")},
    "/static/js/{client}": {
        method: _operation(f"The client of the stream as an ES module ({method.upper()})", None,
                           {200: _other("One of its files, or its types.")}, (404,), parameters=[_path("client")])
        for method in ("get", "head")},
    "/api/csp-report": {"post": _operation(
        "Reports of browsers that a page broke its Content-Security-Policy", None, {204: _other("They are counted.")},
        (413, 422), requestBody=_body(json="Anything"))},
    "/healthz": {"get": _operation("Whether the process is alive", None, {200: _json("It is.", "Anything")})},
    "/readyz": {"get": _operation("Whether the process has started, and whether all that it needs works", None,
                                  {200: _json("ready or degraded, and each part with its reason.", "Anything")},
                                  (503,))},
    "/metrics": {"get": _operation("Prometheus metrics; callers on other machines need a key", None,
                                   {200: _other("Metrics.", "text/plain")}, (401, 403))},
}  # fmt: skip


def openapi_document() -> Json:
    """Return the whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tubepost",
            "version": "1",
            "description": "A shared mailbox as a live queue of work items. All errors have one shape: "
            "`{error: {code, message, field}}`. Callers must ignore names that they do not know.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": PATHS,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A key with scopes, or the token."},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "tubepost_session",
                    "description": "Set by the sign-in. Its name ends with the port, if the address has one, and "
                    "begins with `__Host-` under TLS. "
                    "Changes also need the header X-XSRFToken with `xsrf` of /api/session.",
                },
            },
        },
    }

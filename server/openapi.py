"""What the interface accepts and answers, as OpenAPI 3.1; a test holds it against the route table."""

from typing import Any

from server import schemas
from workitems.item import STATUSES

Json = dict[str, Any]

_ID: Json = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^wi_[a-z2-7]{26}$"}}
_NUMBER: Json = {"name": "n", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}


def _path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query(name: str, description: str, **schema: Any) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}


def _header(name: str, description: str) -> Json:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _json(description: str, schema: str) -> Json:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _other(description: str, kind: str | None = None) -> Json:
    return {"description": description} | ({"content": {kind: {"schema": {"type": "string"}}}} if kind else {})


#: What a status says, for every operation that names it.
_ERRORS = {
    400: "The request cannot be understood.",
    401: "Nobody known asks: sign in, or send a bearer token.",
    403: "The caller lacks the scope, or the XSRF token is missing; `code` says which.",
    404: "There is no such thing, or it was removed.",
    409: "Somebody was faster; `item` is the item as it is now.",
    410: "The raw mail is no longer kept; what was read from it is.",
    413: "Too large.",
    415: "Another content type is needed.",
    422: "`field` names what is wrong, `message` what is accepted.",
    429: "Too many tries; see Retry-After.",
    503: "Redis, the disk or the intake cannot serve just now; see Retry-After.",
}


def _operation(
    summary: str, scope: str | None, answers: dict[int, Json], errors: tuple[int, ...] = (), **more: Any
) -> Json:
    """*scope* None: open to all."""
    if scope:
        errors = (401, 403, 503, *errors)
    told = {str(status): answer for status, answer in answers.items()}
    told |= {str(status): _json(_ERRORS[status], "Error") for status in sorted(set(errors))}
    security: list[Json] = [{"bearer": []}, {"session": []}] if scope else []
    note = (
        {"description": f"Needs the scope `{scope}`." if scope != "any" else "For every known caller."} if scope else {}
    )
    return {"summary": summary, "security": security, "responses": told} | note | more


def _body(required: bool = True, **kinds: str | None) -> Json:
    names = {"json": "application/json", "mail": "message/rfc822", "form": "application/x-www-form-urlencoded"}
    content = {names[kind]: {"schema": {"$ref": f"#/components/schemas/{schema}"} if schema else {"type": "string"}}
               for kind, schema in kinds.items()}  # fmt: skip
    return {"required": required, "content": content}


_FILTERS = [
    _query("status", "Only items of this status.", enum=list(STATUSES)),
    _query("mailbox", "Only items of this mailbox."),
]
_STREAM_FILTERS = [
    _query("status", "Only items of this status; one that leaves it is sent once more with `left: true`."),
    _query("mailbox", "Only items of this mailbox; may be repeated."),
    _query("last_event_id", "The cursor to go on from; the header Last-Event-ID wins."),
    _header("Last-Event-ID", "The cursor to go on from."),
]
_NEXT = _query("next", "Where to go then; a local path.")

PATHS: Json = {
    "/": {"get": _operation("The page; without a session, 303 to the sign-in", None,
                            {200: _other("The page.", "text/html"), 303: _other("To `/login`.")})},
    "/login": {
        "get": _operation("The sign-in form; with `token`, that is exchanged for a session at once", None,
                          {200: _other("The form.", "text/html"), 303: _other("Signed in; to `next`.")}, (401, 429),
                          parameters=[_query("token", "The access token."), _NEXT]),
        "post": _operation("Sign in", None, {303: _other("Signed in; to `next`.")}, (401, 403, 429, 503),
                           requestBody=_body(form="SignIn")),
    },
    "/logout": {"post": _operation("Sign out", None, {303: _other("To `/login`.")}, (403,))},
    "/api/session": {"get": _operation("Who one is and may do", "any", {200: _json("The caller.", "Session")})},
    "/api/workitems": {"get": _operation(
        "A page of the queue, newest first", "read", {200: _json("Items.", "Page")}, (422,),
        parameters=[*_FILTERS, _query("submission", "Only items of this submission."),
                    _query("before", "`next` of the page before."),
                    _query("limit", "Items of a page.", type="integer", minimum=1, maximum=200, default=50)])},
    "/api/workitems/{id}": {
        "parameters": [_ID],
        "get": _operation("The whole item", "read",
                          {200: _json("The item; ETag is its version.", "WholeItem"),
                           202: _json("Its mail is being read.", "Pending")}, (404,)),
        "patch": _operation("Change status, assignee or fields, in one's own name", "write",
                            {200: _json("The item as it is now.", "Item"), 409: _json(_ERRORS[409], "Conflict")},
                            (404, 422), parameters=[_header("If-Match", 'The version that is changed: `"3"`.')],
                            requestBody=_body(json="Change")),
        "delete": _operation("Remove it for good, with its mail, its history and its events", "admin",
                             {200: _json("It is gone and never comes back.", "Removed")}, (404, 422),
                             parameters=[_query("reason", "Kept for ever: no personal data.")]),
    },
    "/api/workitems/{id}/retry": {"parameters": [_ID], "post": _operation(
        "Read its mail again", "write", {202: _json("It waits to be read.", "Pending")}, (404, 410))},
    "/api/quarantine": {"get": _operation(
        "Mail that could not be read as it should, the oldest first", "read",
        {200: _json("Items.", "Quarantine")}, (422,),
        parameters=[_query("start", "Items to pass over.", type="integer", minimum=0, default=0),
                    _query("limit", "Items of a page.", type="integer", minimum=1, maximum=200, default=50)])},
    "/api/workitems/{id}/message": {"parameters": [_ID], "get": _operation(
        "The mail to be shown in a sandboxed frame", "read", {200: _other("Sanitized HTML.", "text/html")}, (404,),
        parameters=[_query("images", "`1` lets images be loaded by https.")])},
    "/api/workitems/{id}/raw": {"parameters": [_ID], "get": _operation(
        "The mail as it came", "read", {200: _other("A download.", "message/rfc822")}, (404, 410))},
    "/api/workitems/{id}/attachments/{n}": {"parameters": [_ID, _NUMBER], "get": _operation(
        "A file out of the mail", "read", {200: _other("A download.", "application/octet-stream")}, (404,))},
    "/api/email/intake": {"post": _operation(
        "Post a mail", "intake", {202: _json("It is safe and waits to be read.", "Receipt")}, (413, 415, 422),
        parameters=[_query("mailbox", "The mailbox to file it under.")],
        requestBody=_body(json="Letter", mail=None))},
    "/api/email/intake/{source}": {"parameters": [_path("source")], "post": _operation(
        "For a service of the settings that posts mail in a form of its own and proves itself in its own way", None,
        {200: _json("It is safe and waits to be read; or there was nothing to keep.", "Received"),
         406: _json("For Mailgun: trying again cannot help.", "Error")}, (401, 403, 404, 413, 415, 422, 503))},
    "/api/test/workitem": {"post": _operation(
        "Make a test item, where the settings allow it", "test", {201: _json("The item.", "Item")}, (413, 422),
        requestBody=_body(required=False, json="TestItem"))},
    "/sse/workitems": {"get": _operation(
        "The stream of events (text/event-stream): unnamed messages, each a JSON envelope with `event`", "read",
        {200: _other("Events for as long as both want.", "text/event-stream")}, (422, 429),
        parameters=_STREAM_FILTERS),
        "head": _operation("The stream's headers without the stream", "read", {200: _other("Headers alone.")})},
    "/api/mailboxes": {"get": _operation(
        "How the mailboxes are doing, how many workers are alive, and what waits", "read",
        {200: _json("By mailbox, and for the intake as a whole.", "Mailboxes")})},
    "/api/stats": {"get": _operation("Streams, events and lag of the server processes", "read",
                                     {200: _json("Counters.", "Anything")})},
    "/api/openapi.json": {"get": _operation("This description", None, {200: _json("OpenAPI 3.1.", "Anything")})},
    "/api/docs": {"get": _operation("This description for people", None, {200: _other("A page.", "text/html")})},
    "/static/{version}/{file}": {
        method: _operation(f"A file of the page ({method.upper()})", None, {200: _other("The file.")}, (404,),
                           parameters=[_path("version"), _path("file")])
        for method in ("get", "head")},
    "/static/js/{client}": {
        method: _operation(f"The stream's client as an ES module ({method.upper()})", None,
                           {200: _other("A file of it, or its types.")}, (404,), parameters=[_path("client")])
        for method in ("get", "head")},
    "/healthz": {"get": _operation("Whether the process lives", None, {200: _json("It does.", "Anything")})},
    "/readyz": {"get": _operation("Whether the process has started", None, {200: _json("It has.", "Anything")},
                                  (503,))},
    "/metrics": {"get": _operation("Prometheus metrics; from elsewhere than this machine with a key", None,
                                   {200: _other("Metrics.", "text/plain")}, (401, 403))},
}  # fmt: skip


def description() -> Json:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tubepost",
            "version": "1",
            "description": "A shared mailbox as a live queue of work items. Errors are one shape: "
            "`{error: {code, message, field}}`. Callers ignore names that they do not know.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": PATHS,
        "components": {
            "schemas": schemas.SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A key with scopes, or the token."},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "tubepost_session",
                    "description": "After signing in. Changes also need the header X-XSRFToken.",
                },
            },
        },
    }

"""The routes of the server: the whole HTTP interface in one list."""

from functools import partial
from typing import Any

from tornado.httputil import (
    HTTPMessageDelegate,
    HTTPServerRequest,
    ParseBodyConfig,
    ParseMultipartConfig,
    ParseUrlEncodedConfig,
    set_parse_body_config,
)
from tornado.web import Application, RequestHandler

from server.access.client_address import client_address
from server.context import Context
from server.handlers.base import NotFoundHandler
from server.handlers.download import AttachmentHandler, RawHandler
from server.handlers.hit_rate import HitRateHandler
from server.handlers.intake import IntakeHandler
from server.handlers.jobs import RereadHandler, TrialHandler
from server.handlers.message import MessageHandler
from server.handlers.metrics import MetricsHandler
from server.handlers.openapi import DocsHandler, OpenApiHandler
from server.handlers.page import CLIENT_FILE, PageHandler, PolicyReportHandler, StaticHandler, StreamClientHandler
from server.handlers.quarantine import QuarantineHandler, RetryHandler
from server.handlers.session import LoginHandler, LogoutHandler, SessionHandler
from server.handlers.status import LivenessHandler, MailboxesHandler, ReadinessHandler, StatsHandler
from server.handlers.stream import StreamHandler
from server.handlers.test_item import TestItemHandler
from server.handlers.upload_base import RefusedBodyHandler
from server.handlers.webhook import WebhookHandler
from server.handlers.workitem import MergeHandler, SplitHandler, WorkitemHandler, WorkitemsHandler
from server.http.body_limit import (
    ALL_BODIES_BYTES,
    MAX_BODY_BYTES,
    MAX_OPEN_BODY_BYTES,
    NETWORK_BODIES_BYTES,
    CountedBody,
    has_body,
    is_announced_too_large,
)
from server.intake.upload_budget import UploadBudget
from workitems.base.log import get_logger

log = get_logger("server")

#: Arguments of a query or form at most; a filter of a stream has up to 105.
MAX_ARGUMENTS = 200


def routes(context: Context) -> list[Any]:
    """Return every path with its handler."""
    arguments = {"context": context}
    item = r"/api/workitems/(wi_[a-z2-7]{26})"
    return [
        (r"/sse/workitems", StreamHandler, arguments),  # first: Tornado tries them in order
        (r"/", PageHandler, arguments),
        (rf"/static/js/({CLIENT_FILE})", StreamClientHandler, arguments),
        (r"/static/([0-9a-f]{12})/([a-z0-9_./-]+)", StaticHandler, arguments),
        (r"/login", LoginHandler, arguments),
        (r"/logout", LogoutHandler, arguments),
        (r"/api/session", SessionHandler, arguments),
        (r"/api/csp-report", PolicyReportHandler, arguments),
        (r"/api/workitems", WorkitemsHandler, arguments),
        (item, WorkitemHandler, arguments),
        (item + r"/message", MessageHandler, arguments),
        (item + r"/retry", RetryHandler, arguments),
        (item + r"/split", SplitHandler, arguments),
        (r"/api/submissions/(sub_[a-z2-7]{26})/merge", MergeHandler, arguments),
        (item + r"/raw", RawHandler, arguments),
        (item + r"/attachments/([0-9]{1,4})", AttachmentHandler, arguments),
        (r"/api/email/intake", IntakeHandler, arguments),
        (r"/api/email/intake/([a-z0-9][a-z0-9_-]{0,63})", WebhookHandler, arguments),
        (r"/api/quarantine", QuarantineHandler, arguments),
        (r"/api/fields/hit-rate", HitRateHandler, arguments),
        (r"/api/rules/trial", TrialHandler, arguments),
        (r"/api/reread", RereadHandler, arguments),
        (r"/api/test/workitem", TestItemHandler, arguments),
        (r"/api/mailboxes", MailboxesHandler, arguments),
        (r"/api/stats", StatsHandler, arguments),
        (r"/api/openapi\.json", OpenApiHandler, arguments),
        (r"/api/docs", DocsHandler, arguments),
        (r"/healthz", LivenessHandler, arguments),
        (r"/readyz", ReadinessHandler, arguments),
        (r"/metrics", MetricsHandler, arguments),
    ]


class BoundedApplication(Application):
    """Refuses a body that is too large for memory, unless the handler takes it piece by piece."""

    def __init__(self, context: Context, handlers: list[Any], **settings: Any) -> None:
        super().__init__(handlers, **settings)
        self._context = context
        self.bodies = UploadBudget(ALL_BODIES_BYTES, NETWORK_BODIES_BYTES)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        found = super().find_handler(request, **kwargs)
        if found.stream_request_body or not has_body(request):
            return found
        is_open = getattr(found.handler_class, "scope", None) is None
        max_bytes = MAX_OPEN_BODY_BYTES if is_open else MAX_BODY_BYTES
        too_large = partial(self._refusal, request, max_bytes=max_bytes)
        if is_announced_too_large(request, max_bytes):
            return too_large()
        address = client_address(request, self._context.settings.server.trusted_proxies)
        return CountedBody(
            found,
            request,
            max_bytes=max_bytes,
            reserve=lambda size: self.bodies.reserve(size, address),
            release=lambda size: self.bodies.release(size, address),
            too_large=too_large,
            busy=partial(self._refusal, request),
        )

    def _refusal(self, request: HTTPServerRequest, **reason: Any) -> HTTPMessageDelegate:
        arguments = {"context": self._context, **reason}
        return self.get_handler_delegate(request, RefusedBodyHandler, arguments, None, None)


def make_application(context: Context) -> Application:
    """Make the Tornado application of all routes."""
    # Strangers can send any query and form. Our own forms are URL-encoded; sources' forms are not parsed by Tornado.
    urlencoded = ParseUrlEncodedConfig(max_arguments=MAX_ARGUMENTS)
    set_parse_body_config(ParseBodyConfig(multipart=ParseMultipartConfig(enabled=False), urlencoded=urlencoded))
    return BoundedApplication(
        context,
        routes(context),
        default_handler_class=NotFoundHandler,
        default_handler_args={"context": context},
        log_function=log_request,
        # Compression would hold events back, and a compressed page that contains a secret can leak it (BREACH).
        compress_response=False,
    )


def log_request(handler: RequestHandler) -> None:
    """Log one line for each request. Never the query: a sign-in link carries its token there."""
    status, request = handler.get_status(), handler.request
    # A supervisor asks for /readyz again and again until we are ready.
    quiet = status < 400 or request.path == "/readyz" or getattr(handler, "is_refused_try", False)
    write = log.debug if quiet else log.warning if status >= 500 else log.info
    milliseconds = round(1000 * request.request_time(), 1)
    write("answered", method=request.method, path=request.path, status=status, ms=milliseconds)

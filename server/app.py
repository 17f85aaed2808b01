"""The routes: the whole interface on one page."""

from typing import Any

from tornado.web import Application, RequestHandler

from server.context import Context
from server.handlers.base import MissingHandler
from server.handlers.download import AttachmentHandler, RawHandler
from server.handlers.health import AliveHandler, ReadyHandler
from server.handlers.intake import IntakeHandler
from server.handlers.mailboxes import MailboxesHandler
from server.handlers.message import MessageHandler
from server.handlers.metrics import MetricsHandler
from server.handlers.openapi import DocsHandler, OpenApiHandler
from server.handlers.page import CLIENT, PageHandler, StaticHandler, StreamClientHandler
from server.handlers.quarantine import QuarantineHandler, RetryHandler
from server.handlers.session import LoginHandler, LogoutHandler, SessionHandler
from server.handlers.source import SourceHandler
from server.handlers.stats import StatsHandler
from server.handlers.stream import StreamHandler
from server.handlers.testitem import TestItemHandler
from server.handlers.workitem import WorkitemHandler
from server.handlers.workitems import WorkitemsHandler
from workitems.log import get_logger

log = get_logger("server")


def routes(context: Context) -> list[Any]:
    """Every path and who answers it."""
    handed = {"context": context}
    item = r"/api/workitems/(wi_[a-z2-7]{26})"
    return [
        (r"/sse/workitems", StreamHandler, handed),  # first: the table is gone through in order
        (r"/", PageHandler, handed),
        (rf"/static/js/({CLIENT})", StreamClientHandler, handed),
        (r"/static/([0-9a-f]{12})/([a-z0-9_./-]+)", StaticHandler, handed),
        (r"/login", LoginHandler, handed),
        (r"/logout", LogoutHandler, handed),
        (r"/api/session", SessionHandler, handed),
        (r"/api/workitems", WorkitemsHandler, handed),
        (item, WorkitemHandler, handed),
        (item + r"/message", MessageHandler, handed),
        (item + r"/retry", RetryHandler, handed),
        (item + r"/raw", RawHandler, handed),
        (item + r"/attachments/([0-9]{1,4})", AttachmentHandler, handed),
        (r"/api/email/intake", IntakeHandler, handed),
        (r"/api/email/intake/([a-z0-9][a-z0-9_-]{0,63})", SourceHandler, handed),
        (r"/api/quarantine", QuarantineHandler, handed),
        (r"/api/test/workitem", TestItemHandler, handed),
        (r"/api/mailboxes", MailboxesHandler, handed),
        (r"/api/stats", StatsHandler, handed),
        (r"/api/openapi\.json", OpenApiHandler, handed),
        (r"/api/docs", DocsHandler, handed),
        (r"/healthz", AliveHandler, handed),
        (r"/readyz", ReadyHandler, handed),
        (r"/metrics", MetricsHandler, handed),
    ]


def application(context: Context) -> Application:
    """The routes, ready to be served."""
    return Application(
        routes(context),
        default_handler_class=MissingHandler,
        default_handler_args={"context": context},
        log_function=log_request,
        xsrf_cookie_kwargs={"samesite": "Lax"},
        # Compressing would hold events back, and a compressed page beside a secret is a leak (BREACH).
        compress_response=False,
    )


def log_request(handler: RequestHandler) -> None:
    """A line a request. Never the query: a sign-in link carries its token there."""
    status, request = handler.get_status(), handler.request
    quiet = status < 400 or request.path == "/readyz"  # a supervisor asks again and again until we are
    write = log.debug if quiet else log.warning if status >= 500 else log.info
    milliseconds = round(1000 * request.request_time(), 1)
    write("answered", method=request.method, path=request.path, status=status, ms=milliseconds)

"""The page, its static files, and the reports of browsers that a page broke its policy."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado.web import StaticFileHandler

from server.context import Context
from server.handlers.base import BaseHandler
from server.http.policy_reports import ENDPOINTS, REPORTING

STATIC = Path(__file__).parent.parent / "static"

#: Only scripts and styles of our own files, none inline, and nothing that turns text into markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

#: Names of files in `js/client`: `stream.js`, `shared-stream.js`, what they import, and their types.
CLIENT_FILE = r"[a-z-]+\.(?:js|d\.ts)"

#: Characters of the entity tags that a browser sends, which has one version of a file, or a few.
_LONGEST_ETAGS = 1_000

#: Seconds that a browser may cache them.
_CLIENT_AGE = 300


@cache
def static_version(folder: Path = STATIC) -> str:
    """Return 12 hexadecimal digits that change with any file; computed once in a process."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}:{path.stat().st_size}:".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def _page(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8").replace("{{version}}", static_version(folder))


class PageHandler(BaseHandler):
    """`/`: the page for signed-in people; all others are redirected to the sign-in."""

    scope = None

    async def get(self) -> None:
        if await self.identify() is None:
            self.redirect("/login?next=" + quote(self.request.uri or "/", safe=""), status=303)
            return
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header("Content-Security-Policy", _POLICY + REPORTING)
        self.set_header("Reporting-Endpoints", ENDPOINTS)
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.write(_page(STATIC))


class PolicyReportHandler(BaseHandler):
    """`POST /api/csp-report`: open to all, since a browser sends reports of the sign-in page, too."""

    scope = None

    async def post(self) -> None:
        self.context.stats.policy_reports.add(self.request.body)
        self.set_status(204)
        self.clear_header("Content-Type")


class StaticHandler(BaseHandler, StaticFileHandler):
    """`/static/<version>/…`: may be cached for ever, since a changed file has another address."""

    scope = None

    def initialize(self, context: Context) -> None:  # type: ignore[override]
        StaticFileHandler.initialize(self, str(STATIC))
        BaseHandler.initialize(self, context)

    async def get(self, asked: str, path: str, include_body: bool = True) -> None:  # type: ignore[override]
        self._cacheable = asked == static_version(Path(self.root))
        await StaticFileHandler.get(self, path, include_body)

    async def head(self, asked: str, path: str) -> None:  # type: ignore[override]
        await self.get(asked, path, include_body=False)

    def set_extra_headers(self, path: str) -> None:
        # During an update two versions are served: an older page gets the new files, but must not cache them.
        kept = "public, max-age=31536000, immutable" if self._cacheable else "no-cache"
        self.set_header("Cache-Control", kept)

    def compute_etag(self) -> str | None:
        return StaticFileHandler.compute_etag(self)

    def check_etag_header(self) -> bool:
        if len(self.request.headers.get("If-None-Match", "")) > _LONGEST_ETAGS:
            return False
        return StaticFileHandler.check_etag_header(self)


class StreamClientHandler(StaticHandler):
    """`/static/js/stream.js` and the other client files, at an address that never changes, for other sites' pages."""

    async def get(self, path: str, include_body: bool = True) -> None:  # type: ignore[override]
        await StaticFileHandler.get(self, f"js/client/{path}", include_body)

    async def head(self, path: str) -> None:  # type: ignore[override]
        await self.get(path, include_body=False)

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", f"public, max-age={_CLIENT_AGE}")

    def get_content_type(self) -> str:
        return "text/javascript" if str(self.absolute_path).endswith(".js") else "text/plain"

    def set_header(self, name: str, value: Any) -> None:
        # A page of another origin may import the client: it has no private data.
        super().set_header(name, "cross-origin" if name == "Cross-Origin-Resource-Policy" else value)

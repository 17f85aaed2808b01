"""The page and the files that it is made of."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado.web import StaticFileHandler

from server.context import Context
from server.handlers.base import Handler

STATIC = Path(__file__).parent.parent / "static"

#: Scripts and styles from here alone, no inline ones, and nothing that turns text into markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

#: The files of the stream's client, as a pattern: what `stream.js` and `shared-stream.js` import, and their types.
CLIENT = (
    r"(?:shared-)?stream\.(?:d\.ts|js)"
    r"|(?:election|event-stream|follower|leader-watch|page-life|replay-buffer|tab-messages)\.js"
)

#: Seconds that other sites' pages may keep them.
_CLIENT_AGE = 300


@cache
def version(folder: Path = STATIC) -> str:
    """12 hexadecimal digits that change with any file; read once a process."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}:{path.stat().st_size}:".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def _page(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8").replace("{{version}}", version(folder))


class PageHandler(Handler):
    """`/`: the page for those who are signed in, the way to the sign-in for all others."""

    scope = None

    async def get(self) -> None:
        if await self.identify() is None:
            self.redirect("/login?next=" + quote(self.request.uri or "/", safe=""), status=303)
            return
        self.xsrf_token  # noqa: B018  sets the cookie that the page's changes need
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.write(_page(STATIC))


class StaticHandler(Handler, StaticFileHandler):
    """`/static/<version>/…`: may be kept for ever, since another content has another address."""

    scope = None

    def initialize(self, context: Context) -> None:  # type: ignore[override]
        StaticFileHandler.initialize(self, str(STATIC))
        Handler.initialize(self, context)

    async def get(self, asked: str, path: str, include_body: bool = True) -> None:  # type: ignore[override]
        self._cacheable = asked == version(Path(self.root))
        await StaticFileHandler.get(self, path, include_body)

    async def head(self, asked: str, path: str) -> None:  # type: ignore[override]
        await self.get(asked, path, include_body=False)

    def set_extra_headers(self, path: str) -> None:
        # During an update two versions are served: an older page gets today's files, but must not keep them.
        kept = "public, max-age=31536000, immutable" if self._cacheable else "no-cache"
        self.set_header("Cache-Control", kept)

    def compute_etag(self) -> str | None:
        return StaticFileHandler.compute_etag(self)

    def check_etag_header(self) -> bool:
        return StaticFileHandler.check_etag_header(self)


class StreamClientHandler(StaticHandler):
    """`/static/js/stream.js` and its like: the stream's client at an address that stays, for other sites' pages."""

    async def get(self, path: str, include_body: bool = True) -> None:  # type: ignore[override]
        await StaticFileHandler.get(self, f"js/{path}", include_body)

    async def head(self, path: str) -> None:  # type: ignore[override]
        await self.get(path, include_body=False)

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", f"public, max-age={_CLIENT_AGE}")

    def get_content_type(self) -> str:
        return "text/javascript" if str(self.absolute_path).endswith(".js") else "text/plain"

    def set_header(self, name: str, value: Any) -> None:
        # A page elsewhere may import the client: it holds nothing of anybody's.
        super().set_header(name, "cross-origin" if name == "Cross-Origin-Resource-Policy" else value)

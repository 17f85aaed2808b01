"""The description of the HTTP interface, for programs and for people."""

import re

from tornado.escape import xhtml_escape

from server.handlers.base import BaseHandler
from server.handlers.template_base import TemplateHandler
from server.http.openapi import PATHS, openapi_document
from server.http.schemas import SCHEMAS

_METHODS = ("get", "post", "patch", "delete")


class OpenApiHandler(BaseHandler):
    """`GET /api/openapi.json`."""

    scope = None

    async def get(self) -> None:
        self.write_json(openapi_document())


class DocsHandler(TemplateHandler):
    """`GET /api/docs`: the same as a page without scripts."""

    scope = None

    async def get(self) -> None:
        operations = [
            (method.upper(), path, way[method], way.get("parameters", []) + way[method].get("parameters", []))
            for path, way in PATHS.items()
            for method in _METHODS
            if method in way
        ]
        self.render_template("docs.html", operations=operations, schemas=SCHEMAS, code=_mark_code)


def _mark_code(text: str) -> str:
    """Return HTML in which everything between two backticks is in `<code>`."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", xhtml_escape(text))

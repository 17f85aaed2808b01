"""The description of the interface: for programs and for people."""

from server.handlers.base import Handler
from server.handlers.document import DocumentHandler
from server.openapi import PATHS, description
from server.schemas import SCHEMAS

_METHODS = ("get", "post", "patch", "head")


class OpenApiHandler(Handler):
    """`GET /api/openapi.json`."""

    scope = None

    async def get(self) -> None:
        self.answer(description())


class DocsHandler(DocumentHandler):
    """`GET /api/docs`: the same as a page, without any script."""

    scope = None

    async def get(self) -> None:
        operations = [
            (method.upper(), path, told[method], told.get("parameters", []) + told[method].get("parameters", []))
            for path, told in PATHS.items()
            for method in _METHODS
            if method in told and method != "head"
        ]
        self.show("docs.html", operations=operations, schemas=SCHEMAS)

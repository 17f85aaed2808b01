"""Pages that the server renders: without scripts, with styles by a nonce."""

import secrets
from pathlib import Path
from typing import Any

from server.handlers.base import BaseHandler
from server.handlers.page import static_version
from server.http.policy_reports import ENDPOINTS, REPORTING

_TEMPLATES = Path(__file__).parent.parent / "templates"

_POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class TemplateHandler(BaseHandler):
    """Renders a template of `server/templates`."""

    def get_template_path(self) -> str:
        return str(_TEMPLATES)

    def render_template(self, template: str, status: int = 200, **values: Any) -> None:
        """Answer with the rendered *template*."""
        nonce = secrets.token_urlsafe(16)
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header("Content-Security-Policy", _POLICY.format(nonce=nonce) + REPORTING)
        self.set_header("Reporting-Endpoints", ENDPOINTS)
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.write(self.render_string(template, nonce=nonce, version=static_version(), **values))

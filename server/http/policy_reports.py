"""Reports of browsers that a page broke its Content-Security-Policy: somebody may have put a script into it.

Anybody may send them, so only their number by directive is kept, and one line a minute is logged.
"""

import json
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any

from workitems.base.errors import InvalidChangeError
from workitems.base.log import LineLimit, get_logger

log = get_logger("server")

#: Where browsers send them; a part of the policy of every page.
ADDRESS = "/api/csp-report"
REPORTING = f"; report-uri {ADDRESS}; report-to csp"
ENDPOINTS = f'csp="{ADDRESS}"'

#: Reports in a request that are counted.
MAX_REPORTS = 20

#: The directives that are counted under their name (W3C, CSP Level 3). All others are `other`.
DIRECTIVES = frozenset({
    "default-src", "script-src", "script-src-elem", "script-src-attr", "style-src", "style-src-elem", "style-src-attr",
    "img-src", "font-src", "connect-src", "frame-src", "manifest-src", "media-src", "object-src", "worker-src",
    "base-uri", "form-action", "frame-ancestors", "require-trusted-types-for", "trusted-types",
})  # fmt: skip


class PolicyReports:
    """Counts reports by the directive that was broken."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self.counts: Counter[str] = Counter()
        self._line_limit = LineLimit(clock)

    def add(self, body: bytes) -> None:
        """Count the reports in *body*. Raises InvalidChangeError when it has none."""
        directives = broken_directives(body)
        if not directives:
            raise InvalidChangeError("reports of broken Content-Security-Policies are accepted (W3C, CSP Level 3)")
        self.counts.update(directives)
        if reports := self._line_limit.count(len(directives)):
            log.warning("a browser refused a part of a page", directive=directives[0], reports=reports)


def broken_directives(body: bytes) -> list[str]:
    """Return the directive of each report in *body*: of `report-uri` (one object) or `report-to` (a list)."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return []
    parts = found[:MAX_REPORTS] if isinstance(found, list) else [found]
    reports = [part.get("csp-report") or part.get("body") for part in parts if isinstance(part, dict)]
    return [_directive(report) for report in reports if isinstance(report, dict)]


def _directive(report: dict[str, Any]) -> str:
    named = (report.get(name) for name in ("effectiveDirective", "effective-directive", "violated-directive"))
    text = next((name for name in named if isinstance(name, str) and name.strip()), "other")
    name = text.split()[0]
    return name if name in DIRECTIVES else "other"

"""Pages in Chromium that follow the stream: some with stream.js, some with a plain EventSource."""

import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.support.record import ReceivedEvent, Record, Run

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

_SCRIPT = Path(__file__).with_name("watching_page.js").read_text(encoding="utf-8")

_IS_AT = """(cursor) => {
  const run = record.runs.at(-1);
  return run.items !== null && (run.received.at(-1)?.[0] ?? run.start) === cursor;
}"""


class WatchingPages:
    """Opens *ours* pages with stream.js and *plain* ones with an EventSource, each in its own window."""

    def __init__(self, port: int, token: str, *, ours: int, plain: int) -> None:
        self._origin = f"http://127.0.0.1:{port}"
        self._token = token
        self._kinds = ["stream.js"] * ours + ["EventSource"] * plain
        self._pages: list[Page] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "WatchingPages":
        async with AsyncExitStack() as stack:
            playwright = await stack.enter_async_context(async_playwright())
            arguments = ["--no-sandbox", "--disable-background-networking"]
            browser = await stack.enter_async_context(
                await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
            )
            for kind in self._kinds:
                # The page allows no scripts, but this test needs one to follow the stream.
                window = await browser.new_context(base_url=self._origin, bypass_csp=True)
                page = await window.new_page()
                await page.goto(f"/login?token={self._token}&next=/healthz")
                await page.evaluate(_SCRIPT, kind)
                self._pages.append(page)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def are_live(self) -> bool:
        return all([await page.evaluate("isLive()") for page in self._pages])

    async def are_at(self, cursor: str) -> bool:
        """Return whether all of them have the list and every event up to *cursor*."""
        return all([await page.evaluate(_IS_AT, cursor) for page in self._pages])

    async def records(self) -> list[Record]:
        """Return the record of each page up to now."""
        return [_record(await page.evaluate("record")) for page in self._pages]


def _record(written: dict[str, Any]) -> Record:
    runs = [
        Run(**run | {"received": [ReceivedEvent(*each) for each in run["received"]]}) for run in written.pop("runs")
    ]
    return Record(runs=runs, **written)

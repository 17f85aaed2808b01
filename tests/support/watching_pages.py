"""Pages in Chromium that follow the stream: some with our stream.js, some with a plain EventSource."""

import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.support.record import Record, Run, Told

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

_SCRIPT = Path(__file__).with_name("watching_page.js").read_text(encoding="utf-8")

_IS_AT = """(cursor) => {
  const run = record.runs.at(-1);
  return run.items !== null && (run.told.at(-1)?.[0] ?? run.start) === cursor;
}"""


class WatchingPages:
    """*ours* pages with stream.js and *plain* ones with an EventSource, each as a person of its own, while entered."""

    def __init__(self, port: int, token: str, *, ours: int, plain: int) -> None:
        self._origin = f"http://127.0.0.1:{port}"
        self._token = token
        self._kinds = ["stream.js"] * ours + ["EventSource"] * plain
        self._pages: list[Page] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "WatchingPages":
        try:
            playwright = await self._stack.enter_async_context(async_playwright())
            arguments = ["--no-sandbox", "--disable-background-networking"]
            browser = await self._stack.enter_async_context(
                await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
            )
            for kind in self._kinds:
                # The page that it stands on allows no scripts; what is tested is the stream.
                window = await browser.new_context(base_url=self._origin, bypass_csp=True)
                page = await window.new_page()
                await page.goto(f"/login?token={self._token}&next=/healthz")
                await page.evaluate(_SCRIPT, kind)
                self._pages.append(page)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def are_live(self) -> bool:
        return all([await page.evaluate("isLive()") for page in self._pages])

    async def are_at(self, cursor: str) -> bool:
        """Whether all of them have the list and were told everything up to *cursor*."""
        return all([await page.evaluate(_IS_AT, cursor) for page in self._pages])

    async def records(self) -> list[Record]:
        """What each has seen up to now."""
        return [_record(await page.evaluate("record")) for page in self._pages]


def _record(written: dict[str, Any]) -> Record:
    runs = [Run(**run | {"told": [Told(*each) for each in run["told"]]}) for run in written.pop("runs")]
    return Record(runs=runs, **written)

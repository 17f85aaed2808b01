"""Waits for a condition, not for a time, so that a test works on a slow machine and is quick on a fast one."""

import asyncio
from collections.abc import Callable
from typing import Any

from playwright.async_api import Page

#: Seconds until a condition must hold: generous, since only a failing test waits so long.
PATIENCE = 30.0


async def eventually(holds: Callable[[], Any], within: float = PATIENCE) -> None:
    """Wait until *holds* returns a true value. Raises TimeoutError after *within* seconds."""
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.01)


async def eventually_in_page(page: Page, expression: str, within: float = PATIENCE) -> None:
    """Wait until *expression* is true in *page*. Raises TimeoutError after *within* seconds.

    `Page.wait_for_function` evaluates text in the page itself, which our pages' policy forbids; it works only where the
    expression is true at once.
    """
    async with asyncio.timeout(within):
        while not await page.evaluate(expression):
            await asyncio.sleep(0.01)

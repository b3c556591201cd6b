"""Debian's Chromium, steered by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

SOON_MS = 10_000
# High enough for the longest message.
SIZE = ViewportSize(width=1100, height=1800)


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Run Chromium until the block ends; skip the test where there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium not found")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def open_page(
    browser: Browser, url: str, *, size: ViewportSize = SIZE
) -> AsyncIterator[Page]:
    """Open SimCord's page until the block ends."""
    page = await browser.new_page(viewport=size)
    page.set_default_timeout(SOON_MS)
    await page.goto(url)
    await expect(page.locator("#preview-app")).to_have_attribute("aria-busy", "false")
    yield page
    await page.close()

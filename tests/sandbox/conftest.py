"""The whole sandbox, and its two pages in a real browser.

The tests with a browser share one, so they run on one loop: ``loop_scope="session"``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page, ViewportSize, expect

from moddy.sandbox.run import Sandbox, open_sandbox
from tests.sandbox.browser import open_browser, open_page

SOON_MS = 10_000
SIZE = ViewportSize(width=1280, height=800)


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox() as sandbox:
        yield sandbox


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def website(browser: Browser, sandbox: Sandbox) -> AsyncIterator[Page]:
    """The reference backend's page."""
    page = await browser.new_page(viewport=SIZE, color_scheme="dark", locale="en-GB")
    page.set_default_timeout(SOON_MS)
    await page.goto(str(sandbox.backend.url))
    await expect(page.locator("#customers label")).to_have_count(5)
    yield page
    await page.close()


@pytest_asyncio.fixture(loop_scope="session")
async def discord_page(browser: Browser, sandbox: Sandbox) -> AsyncIterator[Page]:
    """SimCord's page."""
    async with open_page(browser, sandbox.window.url, size=SIZE) as page:
        await expect(page.locator("#channel-composer-input")).to_be_enabled()
        yield page


@pytest_asyncio.fixture(loop_scope="session")
async def staff_page(browser: Browser, sandbox: Sandbox) -> AsyncIterator[Page]:
    """SimCord's page with the staff's channel, as Sam sees it."""
    await sandbox.window.show("staff")
    async with open_page(browser, sandbox.window.url, size=SIZE) as page:
        await expect(page.locator("#channel-composer-input")).to_be_enabled()
        yield page

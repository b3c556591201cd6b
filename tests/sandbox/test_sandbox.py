"""The whole sandbox: Moddy in it, its two pages in a real browser, its start and its end."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from moddy.errors import AddressInUse
from moddy.sandbox.backend import running_backend
from moddy.sandbox.run import Sandbox, has_display, open_sandbox
from moddy.sandbox.world import CUSTOMER
from tests.sandbox.pictures import side_by_side

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "sandbox.png"
SOON_MS = 10_000
SIZE = ViewportSize(width=1280, height=800)
PICTURED = ViewportSize(width=960, height=760)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium not found")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


@pytest.fixture
async def website(browser: Browser, sandbox: Sandbox) -> Page:
    """The reference backend's page."""
    page = await browser.new_page(viewport=SIZE, color_scheme="dark", locale="en-GB")
    page.set_default_timeout(SOON_MS)
    await page.goto(str(sandbox.backend.url))
    await expect(page.locator("#customers label")).to_have_count(5)
    return page


@pytest.fixture
async def discord_page(browser: Browser, sandbox: Sandbox) -> Page:
    """SimCord's page."""
    page = await browser.new_page(viewport=SIZE)
    page.set_default_timeout(SOON_MS)
    await page.goto(sandbox.window.url)
    await expect(page.locator("#channel-composer-input")).to_be_enabled()
    return page


async def press(website: Page, customer: str, button: str) -> None:
    await website.get_by_role("radio", name=customer).check()
    await website.get_by_role("button", name=button, exact=True).click()


async def run_command(page: Page, command: str) -> None:
    """Type a command, take it from the list, and run it without options."""
    await expect(page.locator("#preview-app")).to_have_attribute("aria-busy", "false")
    composer = page.locator("#channel-composer-input")
    await composer.click()
    await composer.press_sequentially(command)
    await page.get_by_role("option").filter(has_text=command).wait_for()
    await page.keyboard.press("Enter")
    await page.locator(".command-chip").wait_for()
    await page.locator("#send-message").click()


async def test_subscribe_and_see_the_dm_appear(
    sandbox: Sandbox, website: Page, discord_page: Page, tmp_path: Path
) -> None:
    messages = discord_page.locator("#channel-message-list")
    await expect(messages).not_to_contain_text("moddy_max")
    await press(website, "Ada", "Subscribe")
    told = website.locator("[data-exchange]").filter(has_text="/internal/notify")
    await expect(told).to_contain_text("200")
    await expect(told).to_contain_text("User notified successfully")
    await expect(messages.locator("article, li").first).to_contain_text("9.99", timeout=SOON_MS)
    roles = website.locator("[data-exchange]").filter(has_text="/internal/roles/update")
    await expect(roles).to_contain_text("Roles updated successfully")
    assert sandbox.world.has_premium_role(CUSTOMER)
    target = PICTURE if os.environ.get("UPDATE_PICTURES") else tmp_path / PICTURE.name
    await told.get_by_text("Request and answer").click()
    for page in (website, discord_page):
        await page.set_viewport_size(PICTURED)
    await website.evaluate("document.fonts.ready")
    side_by_side([await website.screenshot(), await discord_page.screenshot()], target)
    assert target.stat().st_size > 10_000


async def test_customer_types_commands(sandbox: Sandbox, discord_page: Page) -> None:
    messages = discord_page.locator("#channel-message-list")
    for command in ("/subscription", "/invoices", "/profile"):
        await run_command(discord_page, command)
        await expect(messages).to_contain_text(f"Ada used {command}")
    await expect(messages).to_contain_text("You have no subscription at the moment.")
    assert sandbox.world.env.errors == []


async def test_website_is_told_of_commands(website: Page, discord_page: Page) -> None:
    told = website.locator("[data-event]")
    await expect(told).to_have_count(0)
    await run_command(discord_page, "/profile")
    await expect(told).to_have_count(1)
    await expect(told).to_contain_text("command_used")
    await told.get_by_text("Metadata").click()
    await expect(told).to_contain_text('"command": "profile"')
    await expect(told).to_contain_text('"success": true')


async def test_closed_dms_keep_the_notice_until_the_next_command(
    sandbox: Sandbox, website: Page, browser: Browser
) -> None:
    await press(website, "Camille", "Subscribe")
    told = website.locator("[data-exchange]").filter(has_text="/internal/notify")
    await expect(told).to_contain_text("Cannot send DM to user (DMs disabled)")
    async with website.expect_popup() as opening:
        await website.get_by_role("button", name="Camille's DMs").click()
    camille = await opening.value
    messages = camille.locator("#channel-message-list")
    await expect(messages).not_to_contain_text("9,99")
    await run_command(camille, "/subscription")
    # Her subscription, and the notice that could not be sent.
    await expect(messages.get_by_text("9,99")).to_have_count(2)
    assert sandbox.world.env.errors == []


async def test_page_shows_what_the_discord_page_shows(sandbox: Sandbox, website: Page) -> None:
    async with website.expect_popup() as opening:
        await website.get_by_role("button", name="#general").click()
    shown = await opening.value
    await expect(shown.locator("#channel-name")).to_contain_text("general")
    assert sandbox.window.shown == "general"
    await website.get_by_role("button", name="Sam's DMs").click()
    # The same tab goes there.
    await expect(shown.locator("#channel-name")).to_contain_text("Moddy")
    pressed = website.locator("[data-view][aria-pressed=true]")
    await expect(pressed).to_have_text("Sam's DMs")


async def test_pages_on_the_ports_that_were_asked_for(unused_tcp_port: int) -> None:
    async with open_sandbox(port=unused_tcp_port) as sandbox:
        assert sandbox.backend.url.port == unused_tcp_port
        assert f"//127.0.0.1:{unused_tcp_port + 1}/" in sandbox.window.url
        with pytest.raises(AddressInUse):
            async with running_backend(secret="s", port=unused_tcp_port):
                pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_start_and_end_from_the_command_line(number: signal.Signals) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "moddy",
        "sandbox",
        cwd=ROOT,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        text = ""
        async with asyncio.timeout(30):
            while "Ctrl+C" not in text:
                line = await process.stdout.readline()
                assert line, text
                text += line.decode()
        assert len(set(re.findall(r"http://127\.0\.0\.1:\d+", text))) == 2
        process.send_signal(number)
        async with asyncio.timeout(10):
            rest = await process.stdout.read()
            assert await process.wait() == 0, rest.decode()
        assert "Traceback" not in text + rest.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_a_browser_is_opened_only_where_one_can_be(
    environ: dict[str, str], platform: str, expected: bool
) -> None:
    assert has_display(environ, platform=platform) is expected

"""The whole sandbox: Moddy in it, its two pages in a real browser, its start and its end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.async_api import Page, ViewportSize, expect

from moddy.errors import AddressInUse
from moddy.sandbox.backend import running_backend
from moddy.sandbox.run import Sandbox, has_display, open_sandbox
from moddy.sandbox.world import CUSTOMER
from tests.process.moddy_process import free_port
from tests.sandbox.hands import cards, click, press, run_command, take_picture
from tests.sandbox.pictures import one_above_another, side_by_side, updates, write_small

pytestmark = pytest.mark.asyncio(loop_scope="session")  # see conftest.py
ROOT = Path(__file__).parents[2]
SOON_MS = 10_000
PICTURED = ViewportSize(width=960, height=760)


async def test_subscribe_and_see_the_dm_appear(
    sandbox: Sandbox, website: Page, discord_page: Page
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
    await told.get_by_text("Request and answer").click()
    for page in (website, discord_page):
        await page.set_viewport_size(PICTURED)
    await website.evaluate("document.fonts.ready")
    picture = side_by_side([await website.screenshot(), await discord_page.screenshot()])
    if updates():
        write_small(picture, "sandbox.png")
    assert len(picture) > 10_000


async def test_customer_types_commands(sandbox: Sandbox, discord_page: Page) -> None:
    messages = discord_page.locator("#channel-message-list")
    for command in ("/subscription", "/invoices", "/profile"):
        await run_command(discord_page, command)
        await expect(messages).to_contain_text(f"Ada used {command}")
    await expect(messages).to_contain_text("You have no subscription at the moment.")
    assert sandbox.world.env.errors == []


async def test_customer_looks_at_subscription_and_invoices(
    sandbox: Sandbox, website: Page, discord_page: Page
) -> None:
    await press(website, "Ada", "Subscribe")
    await expect(cards(discord_page)).to_have_count(1)
    await run_command(discord_page, "/subscription")
    await expect(cards(discord_page)).to_have_count(2)
    subscription = cards(discord_page).nth(1)
    await expect(subscription).to_contain_text("Next renewal:")
    await click(discord_page, subscription, "Invoices")
    await expect(cards(discord_page).last).to_contain_text("1 invoice")
    pictures = [
        await take_picture(discord_page, card) for card in (subscription, cards(discord_page).last)
    ]
    if updates():
        write_small(one_above_another(pictures), "subscription.png")
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
    sandbox: Sandbox, website: Page
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


def two_free_ports() -> int:
    """Return the first of two ports in a row that nobody listens on."""
    while True:
        port = free_port()
        with suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
            return port


async def test_pages_on_the_ports_that_were_asked_for() -> None:
    port = two_free_ports()
    async with open_sandbox(port=port) as sandbox:
        assert sandbox.backend.url.port == port
        assert f"//127.0.0.1:{port + 1}/" in sandbox.window.url
        with pytest.raises(AddressInUse):
            async with running_backend(secret="s", port=port):
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
async def test_a_browser_is_opened_only_where_one_can_be(
    environ: dict[str, str], platform: str, expected: bool
) -> None:
    assert has_display(environ, platform=platform) is expected

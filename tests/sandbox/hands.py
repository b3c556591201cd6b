"""What a person does on the sandbox's pages."""

from __future__ import annotations

import asyncio

from playwright.async_api import Locator, Page, Response, expect

MOST_PRESSES = 4
PICTURE_WIDTH = 700
ANSWER_S = 5.0  # seconds, of which an answer takes a few hundredths
POLLING_MS = 600  # SimCord's page asks twice a second for what was published


async def press(website: Page, customer: str, button: str) -> None:
    """Press a button of the website's page for a customer."""
    await website.get_by_role("radio", name=customer).check()
    await website.get_by_role("button", name=button, exact=True).click()


async def choose_command(page: Page, command: str) -> None:
    """Type a command on SimCord's page and take it from the list."""
    await expect(page.locator("#preview-app")).to_have_attribute("aria-busy", "false")
    composer = page.locator("#channel-composer-input")
    await composer.click()
    await composer.press_sequentially(command)
    await page.get_by_role("option").filter(has_text=command).first.wait_for()
    await page.keyboard.press("Enter")
    await page.locator(".command-chip").wait_for()


async def run_command(page: Page, command: str) -> None:
    """Run a command without options."""
    await choose_command(page, command)
    await page.locator("#send-message").click()


async def run_command_about(page: Page, command: str, person: str, text: str = "") -> None:
    """Run a command whose first option is a user, and whose second one may be a text."""
    await choose_command(page, command)
    await page.keyboard.type(person)
    await page.get_by_role("option").filter(has_text=person).wait_for()
    await page.keyboard.press("Enter")
    if text:
        await page.keyboard.type(text)
    await page.locator("#send-message").click()


async def say(page: Page, content: str) -> None:
    """Write a message."""
    await page.locator("#channel-composer-input").fill(content)
    await page.keyboard.press("Enter")


def cards(page: Page) -> Locator:
    """Return the messages of Moddy's that the page shows."""
    return page.locator("article.channel-message").filter(has=page.locator(".component-container"))


async def click(page: Page, card: Locator, label: str) -> None:
    """Press the first button of a message that has this label.

    SimCord takes no press on a page that it has just published anew, so it may need another one.
    """
    button = card.locator(".component-button").filter(has_text=label).first
    for _ in range(MOST_PRESSES):
        async with page.expect_response("**/api/action") as answering:
            await button.click()
        if await _is_taken(await answering.value, button):
            return
        await page.wait_for_timeout(POLLING_MS)
    raise AssertionError(f"{label}: the page never stood still")


async def _is_taken(answer: Response, button: Locator) -> bool:
    """Return whether a press was taken."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return "stale-revision" not in await answer.text()
    except TimeoutError:
        # Once one hung here, without a limit of Playwright's own; the page knows as well.
        return await button.count() == 0


async def take_picture(page: Page, card: Locator) -> bytes:
    """Take a picture of a message, without what the page shows under pointer and focus."""
    await page.mouse.move(0, 0)
    await page.evaluate("document.activeElement?.blur()")
    await card.scroll_into_view_if_needed()
    box = await card.bounding_box()
    assert box is not None
    box["width"] = min(box["width"], PICTURE_WIDTH)
    return await page.screenshot(clip=box, animations="disabled")


async def look_as(page: Page, viewer: str) -> None:
    """Look at the page as somebody else."""
    await page.locator("#viewer-picker").select_option(label=viewer)
    await expect(page.locator("#channel-composer-input")).to_be_enabled()

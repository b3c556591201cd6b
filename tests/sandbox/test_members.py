"""Coming, going and returning in the sandbox, and what its website hears of it."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from moddy.sandbox.run import Sandbox
from moddy.sandbox.world import AWAY_CUSTOMER, CUSTOMER, Person
from tests.sandbox.hands import press

pytestmark = pytest.mark.asyncio(loop_scope="session")  # see conftest.py


async def until_premium(sandbox: Sandbox, person: Person, website: Page) -> None:
    """Return once the server shows somebody as premium."""
    for _ in range(200):
        if sandbox.world.has_premium_role(person):
            return
        await website.wait_for_timeout(50)
    pytest.fail("no premium role")


async def test_who_returns_has_premium_again(sandbox: Sandbox, website: Page) -> None:
    events = website.locator("[data-event]")
    await press(website, "Ada", "Subscribe")
    await until_premium(sandbox, CUSTOMER, website)
    await website.get_by_role("button", name="Leave the server").click()
    left = events.filter(has_text="member_left")
    await expect(left).to_have_count(1)
    await expect(left).to_contain_text("Ada")
    assert CUSTOMER not in sandbox.world.members
    await expect(website.get_by_role("button", name="Leave the server")).to_be_disabled()
    await website.get_by_role("button", name="Join the server").click()
    await expect(events.filter(has_text="member_joined")).to_have_count(1)
    await until_premium(sandbox, CUSTOMER, website)
    assert sandbox.world.env.errors == []


async def test_who_subscribed_before_joining_has_premium_on_arrival(
    sandbox: Sandbox, website: Page
) -> None:
    await press(website, "Noor", "Roles")
    await website.get_by_role("button", name="Join the server").click()
    joined = website.locator("[data-event]").filter(has_text="member_joined")
    await expect(joined).to_contain_text("Noor")
    await until_premium(sandbox, AWAY_CUSTOMER, website)
    await joined.get_by_text("Metadata").click()
    await expect(joined).to_contain_text(str(sandbox.world.guild_id))
    assert sandbox.world.env.errors == []


async def test_commands_and_role_changes_are_heard_of(sandbox: Sandbox, website: Page) -> None:
    await press(website, "Ada", "Subscribe")
    changed = website.locator("[data-event]").filter(has_text="role_updated")
    await expect(changed).to_have_count(1)
    await changed.get_by_text("Metadata").click()
    await expect(changed).to_contain_text(str(sandbox.world.premium_role_id))

"""Every layout that a user can see, on SimCord's page in a real browser, in both languages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from io import BytesIO
from typing import Any, TypeVar

import discord
import pytest
import pytest_asyncio
from discord import ui
from discord.ext import commands
from msgspec import Struct
from PIL import Image
from playwright.async_api import Browser

from moddy.models import Snowflake
from moddy.sandbox.world import AGENT, CUSTOMER, SUPERVISOR, World
from tests.pictures import customers, direct_messages, modules, refunds, staff
from tests.pictures.cast import AVATAR, LOCALES, NOW, Cast, Layout
from tests.pictures.gallery import Gallery
from tests.sandbox.browser import open_browser, open_page

T = TypeVar("T")

WALLS: dict[str, dict[str, Layout]] = {
    "customers": customers.LAYOUTS,
    "direct messages": direct_messages.LAYOUTS,
    "modules": modules.LAYOUTS,
    "refunds": refunds.LAYOUTS,
    "staff": staff.LAYOUTS,
}
# The page shows the newest fifty messages.
AT_ONCE = 20
# One event loop for the module: a browser and a Discord take longer to start than all pictures.
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Studio(Struct, frozen=True):
    """A Discord, a bot to write in it, and a page that shows it to one reader."""

    channel: discord.PartialMessageable
    gallery: Gallery
    cast: Cast


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=LOCALES)
async def studio(request: pytest.FixtureRequest, browser: Browser) -> AsyncIterator[Studio]:
    locale: str = request.param
    world = World()
    team = [world.env.create_user(f"helper{number}") for number in range(14)]
    for helper in team:
        world._guild.add_member(helper)
    bot = commands.AutoShardedBot(
        "!", intents=discord.Intents(guilds=True, members=True), shard_count=1, help_command=None
    )
    async with (
        world.connect(bot),
        world.env.preview(
            world.general,
            viewers=[world.members[CUSTOMER]],
            layout="channel",
            locale=locale,
            presentation_time=NOW,
            assets={AVATAR: ("ada.png", portrait())},
        ) as preview,
        open_page(browser, preview.url) as page,
    ):
        yield Studio(
            channel=bot.get_partial_messageable(world.general.id),
            gallery=Gallery(page),
            cast=Cast(
                customer=world.user_id(CUSTOMER),
                agent=world.user_id(AGENT),
                supervisor=world.user_id(SUPERVISOR),
                team=tuple(Snowflake(helper.id) for helper in team),
                role=world.premium_role_id,
                locale=locale,
            ),
        )


def portrait() -> bytes:
    """Return a picture of somebody, as PNG."""
    target = BytesIO()
    Image.new("RGB", (128, 128), "#8e5bd0").save(target, "PNG")
    return target.getvalue()


async def test_faults_are_found(studio: Studio) -> None:
    picture: ui.Thumbnail[Any] = ui.Thumbnail("https://img.example.com/gone.png")
    wide = "`" + "\N{NO-BREAK SPACE}".join(["word"] * 60) + "`"
    container: ui.Container[ui.LayoutView] = ui.Container(
        ui.Section("\\*\\*Bold\\*\\* <t:1:Q>", accessory=picture),
        ui.TextDisplay(f"```\n{wide}\n```"),
    )
    view = ui.LayoutView(timeout=None)
    view.add_item(container)
    view.stop()
    message_id = await hang(studio, lambda _: view)
    await studio.gallery.refresh()
    look = await studio.gallery.look(await studio.gallery.find(message_id))
    assert set(look.faults()) >= {
        "an image is missing",
        "markdown that was not rendered",
        "no coloured bar",
        "wider than its box",
    }
    await studio.channel.get_partial_message(message_id).delete()
    # The page remembers what it complained of.
    await studio.gallery.page.reload()


@pytest.mark.parametrize("wall", WALLS)
async def test_pictures(studio: Studio, wall: str) -> None:
    faults: dict[str, dict[str, list[str]]] = {}
    for some in batched(WALLS[wall].items()):
        hung = [(name, await hang(studio, layout)) for name, layout in some]
        await studio.gallery.refresh()
        for name, message_id in hung:
            message = await studio.gallery.find(message_id)
            found = (await studio.gallery.look(message)).faults()
            await studio.gallery.keep(message, f"{studio.cast.locale}/{name}")
            faults |= {name: found} if found else {}
    assert faults == {}
    assert await studio.gallery.complaints() == []


async def hang(studio: Studio, layout: Layout) -> int:
    """Send a layout as a message, and return its id."""
    nobody = discord.AllowedMentions.none()
    sent = await studio.channel.send(view=layout(studio.cast), allowed_mentions=nobody)
    return sent.id


def batched(items: Iterable[T]) -> Iterator[list[T]]:
    """Return the items, at most `AT_ONCE` together."""
    rest = list(items)
    while rest:
        yield rest[:AT_ONCE]
        rest = rest[AT_ONCE:]

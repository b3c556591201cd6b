"""The panels of ``/config``, and what its modules send, on SimCord's page in a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from io import BytesIO

import pytest
import pytest_asyncio
from msgspec import Struct
from PIL import Image
from playwright.async_api import Browser, Locator, expect
from simcord.actors import MemberActor
from simcord.results import InteractionResult

from moddy.models import Snowflake, encode
from moddy.modules.restore_roles import Mode, RestoreRolesSettings
from moddy.modules.welcome import WelcomeSettings
from moddy.store.database import open_database
from moddy.store.migrate import migrate
from tests.modules.club import Club, shown
from tests.pictures.cast import LOCALES
from tests.pictures.gallery import Gallery
from tests.sandbox.browser import open_browser, open_page
from tests.sandbox.hands import take_picture
from tests.sandbox.pictures import one_above_another, updates, write_small

IMAGE = "https://img.example.com/hello.png"
TEXT = "Welcome to **{server}**, {user}! You are member number {member_count}."
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Visit(Struct, frozen=True):
    """A manager of the server in front of the page."""

    club: Club
    actor: MemberActor
    gallery: Gallery
    locale: str

    async def look(self, name: str, result: InteractionResult, *, says: str = "") -> Locator:
        """Find no fault in what an interaction left on the screen, and keep a picture of it."""
        await self.gallery.refresh()
        message = await self.gallery.find(shown(result).id)
        await expect(message).to_contain_text(says)
        faults = (await self.gallery.look(message)).faults(literal="**{server}**")
        await self.gallery.keep(message, f"{self.locale}/{name}")
        assert faults == {}, name
        assert await self.gallery.complaints() == []
        return message

    async def open(self, module: str) -> InteractionResult:
        """Open a module's panel."""
        overview = shown(await self.overview())
        return await self.actor.click(overview, custom_id=f"config_panel:{module}")

    async def overview(self) -> InteractionResult:
        """Open the list of modules."""
        return await self.actor.slash(self.club.log, "config modules")

    async def save(self, settings: WelcomeSettings | RestoreRolesSettings, *, on: bool) -> None:
        """Store settings, past all checks."""
        club = self.club
        module = club.welcome if isinstance(settings, WelcomeSettings) else club.restore_roles
        await club.save(module, encode(settings), enabled=on)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module", params=LOCALES)
async def visit(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Visit]:
    locale: str = request.param
    folder = tmp_path_factory.mktemp("club")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = await enter(open_database(f"sqlite:///{folder / 'moddy.db'}"))
        await migrate(database)
        club = Club(database)
        club.env.backend.edit_bot_profile("Moddy")
        await enter(club.connect())
        actor = club.manager if locale == "en-US" else club.french
        preview = await enter(
            club.env.preview(
                club.log,
                viewers=[actor],
                layout="channel",
                locale=locale,
                assets={IMAGE: ("hello.png", image())},
            )
        )
        page = await enter(open_page(browser, preview.url))
        yield Visit(club=club, actor=actor, gallery=Gallery(page), locale=locale)


def image() -> bytes:
    """Return a picture for the welcome, as PNG."""
    target = BytesIO()
    Image.linear_gradient("L").resize((480, 160)).save(target, "PNG")
    return target.getvalue()


def ids(roles: Sequence[int]) -> tuple[Snowflake, ...]:
    return tuple(map(Snowflake, roles))


async def test_overview_and_premium(visit: Visit) -> None:
    await visit.look("config overview", await visit.overview())
    picture = await visit.actor.slash(visit.club.log, "config picture")
    await visit.look("config picture locked", picture)
    await visit.club.make_premium(visit.club.owner)
    picture = await visit.actor.slash(visit.club.log, "config picture")
    await visit.look("config picture", picture)


async def test_welcome(visit: Visit) -> None:
    panel = await visit.open("welcome")
    await visit.look("config welcome off", panel)
    said = "saved" if visit.locale == "en-US" else "enregistré"
    refused = await visit.actor.click(shown(panel), custom_id="config_turn:welcome:on")
    await visit.look("config welcome refused", refused, says=said)
    club = visit.club
    settings = WelcomeSettings(
        channel_id=Snowflake(club.channel.id),
        direct_message=True,
        text=TEXT,
        colour=0x8E5BD0,
        image_url=IMAGE,
        picture=True,
    )
    await visit.save(settings, on=True)
    await visit.look("config welcome locked", await visit.open("welcome"))
    await club.make_premium(club.owner)
    overview = await visit.look("config overview on", await visit.overview())
    panel = await visit.open("welcome")
    opened = await visit.look("config welcome on", panel)
    if updates() and visit.locale == "en-US":
        pictures = [await take_picture(visit.gallery.page, one) for one in (overview, opened)]
        write_small(one_above_another(pictures), "config.png")
    tried = await visit.actor.click(shown(panel), custom_id="config_try:welcome")
    await visit.look("config welcome tried", tried, says="✅")
    club.deny(club.channel, send_messages=True)
    await visit.look("config welcome stopped", await visit.open("welcome"))
    await club.save(club.welcome, b'{"channel_id": 5}')
    await visit.look("config welcome broken", await visit.open("welcome"))


async def test_welcome_is_what_was_set_up(visit: Visit) -> None:
    club = visit.club
    await club.make_premium(club.owner)
    channel = Snowflake(club.log.id)
    await visit.save(
        WelcomeSettings(channel_id=channel, text=TEXT, image_url=IMAGE, picture=True), on=True
    )
    club.add("nadia")
    await club.settle()
    await visit.gallery.refresh()
    greeting = visit.gallery.page.locator("article").filter(has_text="Welcome to")
    await expect(greeting.locator("img.gallery-image")).to_have_count(2)
    faults = (await visit.gallery.look(greeting)).faults()
    await visit.gallery.keep(greeting, f"{visit.locale}/welcome")
    assert faults == {}


async def test_form(visit: Visit) -> None:
    panel = await visit.open("welcome")
    await visit.gallery.refresh()
    message = await visit.gallery.find(shown(panel).id)
    label = "Edit the texts" if visit.locale == "en-US" else "Modifier les textes"
    await message.get_by_role("button", name=label).click()
    form = visit.gallery.page.get_by_role("dialog").last
    await expect(form.locator("textarea, input")).to_have_count(3)
    await visit.gallery.keep(form, f"{visit.locale}/config welcome form")
    wide = await form.evaluate("(one) => one.scrollWidth - one.clientWidth")
    assert wide <= 0
    assert await visit.gallery.complaints() == []


async def test_restore_roles(visit: Visit) -> None:
    club = visit.club
    roles = [club.guild.create_role(name).id for name in ("Reader", "Author of the month")]
    await visit.look("config restore off", await visit.open("restore_roles"))
    log = Snowflake(club.log.id)
    for mode in Mode:
        chosen = ids(roles) if mode is not Mode.ALL else ()
        settings = RestoreRolesSettings(mode=mode, role_ids=chosen, log_channel_id=log)
        await visit.save(settings, on=True)
        await visit.look(f"config restore {mode.value}", await visit.open("restore_roles"))
    await visit.save(RestoreRolesSettings(role_ids=ids([1]), mode=Mode.ONLY), on=True)
    await visit.look("config restore gone role", await visit.open("restore_roles"))

"""The page that shows the Discord in memory: one channel at a time, kept up to date."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from msgspec import Struct
from simcord.actors import MemberActor
from simcord.backend.errors import SetupError
from simcord.builders import ChannelHandle, UserHandle
from simcord.preview import Preview
from yarl import URL

from moddy.errors import AddressInUse
from moddy.models import Snowflake
from moddy.sandbox.backend import DiscordView
from moddy.sandbox.world import (
    AGENT,
    AWAY_CUSTOMER,
    CLOSED_CUSTOMER,
    CUSTOMER,
    PEOPLE,
    Person,
    World,
)

# What changes a channel as a person sees it.
SEEN_EVENTS = frozenset({"MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE"})
GATHER_S = 0.05  # messages that come together are shown together
BUSY_PAUSE_S = 0.1  # SimCord does one thing at a time; a click in progress goes first


class Scene(Struct, frozen=True, kw_only=True):
    """A channel and those who look at it; the first of them does so at the start.

    In `locale` the page writes dates, as Discord does for who reads them.
    """

    view: DiscordView
    channel: ChannelHandle
    locale: str = "en-US"
    viewers: Callable[[], Sequence[MemberActor | UserHandle]]


class Window:
    """SimCord's page. A `DiscordWindow` for the reference backend's page.

    SimCord binds a page to one channel, so another channel means another page; it gets the
    same port and the same capability, and with them the same address.
    """

    def __init__(self, world: World, *, port: int) -> None:
        self._world = world
        self._port = port
        self._scenes = _scenes(world)
        self._preview: Preview | None = None
        self._capability: str | None = None
        self._shown = next(iter(self._scenes))
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def views(self) -> Sequence[DiscordView]:
        """What it can show."""
        return [scene.view for scene in self._scenes.values()]

    @property
    def shown(self) -> str:
        """The name of the view that it shows."""
        return self._shown

    @property
    def url(self) -> str:
        """The page's address. Whoever has it can act as the people of the world."""
        # The query makes a browser load the page anew when the view has changed.
        return f"http://127.0.0.1:{self._port}/?view={self._shown}#{self._capability}"

    async def show(self, name: str) -> None:
        """Show another view.

        Raises:
            KeyError: there is no view of that name.
        """
        scene = self._scenes[name]
        async with self._turn:
            await self._close()
            preview = self._world.env.preview(
                scene.channel,
                viewers=scene.viewers(),
                layout="channel",
                locale=scene.locale,
                port=self._port,
            )
            if self._capability is None:
                self._capability = preview.capability
            preview.capability = self._capability
            self._preview = await preview.__aenter__()
            self._port = URL(preview.url).port or self._port
            self._shown = name

    @property
    def member_ids(self) -> Sequence[str]:
        """The Discord ids of those who are in the server."""
        return [str(self._world.user_id(person)) for person in self._world.members]

    async def set_member(self, discord_id: str, *, member: bool) -> None:
        """Have somebody come into the server, or leave it.

        Raises:
            KeyError: this Discord has no such user.
        """
        person = self._person(discord_id)
        scene = self._scenes[self._shown]
        async with self._turn:
            viewers = scene.viewers()
            if member and person not in self._world.members:
                self._world.join(person)
            elif not member and person in self._world.members:
                self._world.leave(person)
        if scene.viewers() != viewers:
            await self.show(self._shown)

    def _person(self, discord_id: str) -> Person:
        return {self._world.user_id(person): person for person in PEOPLE}[Snowflake(discord_id)]

    async def _close(self) -> None:
        preview, self._preview = self._preview, None
        if preview is not None:
            await preview.close()

    def _notice(self, event: str, payload: Any) -> None:
        # What happens elsewhere is left out: a page that was published anew takes no click for a
        # moment, and a note in the staff's log follows whatever staff does.
        shown = str(self._scenes[self._shown].channel.id)
        if event in SEEN_EVENTS and str(payload.get("channel_id")) == shown:
            self._changed.set()

    async def _keep_up(self) -> None:
        """Show each new message. SimCord's page asks twice a second for what was published."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHER_S)
            self._changed.clear()
            try:
                async with self._turn:
                    if self._preview is not None:
                        await self._preview.refresh()
            except (SetupError, TimeoutError):
                # A click in progress, work that has not settled, or a page that a person ended.
                await asyncio.sleep(BUSY_PAUSE_S)
                self._changed.set()


@asynccontextmanager
async def open_window(world: World, *, port: int) -> AsyncIterator[Window]:
    """Show a world that a bot has joined, on 127.0.0.1, until the block ends.

    `port` 0 means any free one.

    Raises:
        AddressInUse: the port is taken.
    """
    window = Window(world, port=port)
    try:
        await window.show(window.shown)
    except SetupError as error:
        raise AddressInUse(f"port {port} of 127.0.0.1 cannot be opened") from error
    world.subscribe(window._notice)
    task = asyncio.create_task(window._keep_up())
    try:
        yield window
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await window._close()


def _scenes(world: World) -> Mapping[str, Scene]:
    dms = [
        Scene(
            view=DiscordView(name=person.name.lower(), label=f"{person.name}'s DMs"),
            channel=world.dm_channel(person),
            locale=person.locale,
            viewers=partial(_user, world, person),
        )
        for person in (CUSTOMER, CLOSED_CUSTOMER, AGENT, AWAY_CUSTOMER)
    ]
    channels = [
        Scene(
            view=DiscordView(name=name, label=f"#{name}"),
            channel=channel,
            viewers=partial(_members, world, staff=staff),
        )
        for name, channel, staff in (
            ("general", world.general, False),
            ("staff", world.staff_channel, True),
            ("staff-log", world.staff_log, True),
        )
    ]
    return {scene.view.name: scene for scene in (*dms, *channels)}


def _user(world: World, person: Person) -> Sequence[MemberActor | UserHandle]:
    return [world.user(person)]


def _members(world: World, *, staff: bool) -> Sequence[MemberActor | UserHandle]:
    members = world.members.items()
    return [member for person, member in members if person.staff or not staff]

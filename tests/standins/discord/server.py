"""The pretend Discord as a whole."""

import base64
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.standins.discord.calls import Call
from tests.standins.discord.changes import Changes
from tests.standins.discord.channels import Channel, DMChannel, TextChannel
from tests.standins.discord.command_data import OptionValue, command_data
from tests.standins.discord.components import BUTTON, find_by_custom_id
from tests.standins.discord.events import Event
from tests.standins.discord.faults import Faults
from tests.standins.discord.gateway import Gateway
from tests.standins.discord.guilds import Guild, Member, Role
from tests.standins.discord.interactions import COMMAND, COMPONENT, Interaction
from tests.standins.discord.messages import Message
from tests.standins.discord.rest import PREFIX, Rest
from tests.standins.discord.rest_commands import CommandRegistry
from tests.standins.discord.rest_guilds import GuildRoutes
from tests.standins.discord.rest_interactions import InteractionRoutes
from tests.standins.discord.rest_messages import MessageRoutes
from tests.standins.discord.rest_users import UserRoutes
from tests.standins.discord.users import DirectMessagePolicy, User
from tests.standins.discord.world import DirectMessages, World

TOKEN = "standin-token"
# Flags of an application that was granted the members and message-content intents.
GRANTED_INTENTS = 1 << 15 | 1 << 19


class DiscordStandin:
    """A Discord on 127.0.0.1 with real sockets, for unmodified client libraries.

    ``token`` is the short token; ``formatted_token`` is another valid one in the three parts
    that real tokens have, for clients that read the bot's id from it.
    """

    def __init__(self, *, shard_count: int = 1) -> None:
        self._changes = Changes()
        self.world = World(self._emit)
        number = base64.b64encode(str(self.world.bot.id).encode()).decode().rstrip("=")
        self.token = TOKEN
        self.formatted_token = f"{number}.standin.token-with-three-parts"
        self.tokens = {self.token, self.formatted_token}
        self.shard_count = shard_count
        self.max_concurrency = 1
        self.dms = DirectMessages(self.world)
        self.gateway = Gateway(self.world, self._changes, self.tokens)
        self.gateway.application_flags = GRANTED_INTENTS
        self.command_registry = CommandRegistry(self.world, self._changes)
        self._interactions = InteractionRoutes(self.world, self._changes)
        self._rest = Rest(self._routes(), self.tokens, self._changes)
        self._runner: web.AppRunner | None = None
        self.rest_url = ""
        self.gateway_url = ""

    def _routes(self) -> list[Any]:
        return [
            *UserRoutes(self).routes,
            *MessageRoutes(self.world).routes,
            *GuildRoutes(self.world).routes,
            *self.command_registry.routes,
            *self._interactions.routes,
        ]

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=32 * 1024 * 1024)
        application.router.add_get("/gateway", self.gateway.handle)
        application.router.add_get("/gateway/", self.gateway.handle)
        self._rest.add_to(application.router)
        # Calls that still hang at the end must not hold up the test.
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.rest_url = f"http://127.0.0.1:{port}{PREFIX}"
        self.gateway_url = f"ws://127.0.0.1:{port}/gateway"
        self.gateway.url = self.gateway_url
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rest.stop()
        await self.gateway.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    def _emit(self, event: Event) -> None:
        self.gateway.emit(event)

    @property
    def bot(self) -> User:
        """The bot's account."""
        return self.world.bot

    @property
    def application_flags(self) -> int:
        """The application's flags, which say among other things which intents it was granted."""
        return self.gateway.application_flags

    @property
    def requests(self) -> list[Call]:
        """Every REST call so far."""
        return self._rest.calls

    @property
    def unknown_routes(self) -> list[str]:
        """Calls, as "METHOD /path", that no route was there for."""
        return self._rest.unknown_routes

    @property
    def faults(self) -> Faults:
        """The faults that REST calls meet."""
        return self._rest.faults

    @property
    def commands(self) -> list[dict[str, Any]]:
        """The global application commands as last synced."""
        return self.command_registry.by_guild[None]

    @property
    def command_syncs(self) -> int:
        """How often the global commands were overwritten."""
        return self.command_registry.syncs

    @property
    def interaction_deadline(self) -> float:
        """The seconds a bot has for its first answer to an interaction."""
        return self._interactions.deadline

    @interaction_deadline.setter
    def interaction_deadline(self, seconds: float) -> None:
        self._interactions.deadline = seconds

    def calls(self, method: str, ending: str = "") -> list[Call]:
        """The calls so far with this method and a path that ends so."""
        return [
            call for call in self.requests if call.method == method and call.path.endswith(ending)
        ]

    async def wait_until(
        self,
        condition: Callable[[], bool],
        timeout: float = 5.0,  # noqa: ASYNC109 - the tests' word for it
        what: str = "the condition",
    ) -> None:
        """Wait until something holds in the stand-in; AssertionError when it does not."""
        await self._changes.until(condition, timeout=timeout, what=what)

    def add_guild(
        self,
        name: str = "Moddy HQ",
        preferred_locale: str = "en-US",
        *,
        id: int | None = None,  # noqa: A002 - the name Discord uses
        bot_position: int = 10,
    ) -> Guild:
        """A guild with the bot in it, whose managed role stands at ``bot_position``."""
        return self.world.add_guild(name, preferred_locale, id, bot_position)

    def remove_guild(self, guild: Guild) -> None:
        """Throw the bot out of a guild."""
        self.world.remove_guild(guild)

    def add_user(
        self,
        username: str,
        id: int | None = None,  # noqa: A002 - the name Discord uses
        locale: str = "en-US",
        dms: DirectMessagePolicy = "open",
    ) -> User:
        """An account, in no guild yet."""
        return self.world.add_user(username, id, locale, dms)

    def add_member(self, guild: Guild, user: User, roles: Sequence[Role] = ()) -> Member:
        """Let a user join a guild."""
        return self.world.add_member(guild, user, list(roles))

    def remove_member(self, guild: Guild, user: User) -> None:
        """Let a user leave a guild."""
        self.world.remove_member(guild, user)

    async def message(
        self,
        user: User,
        channel: Channel | None,
        content: str,
        mentions: Sequence[User] = (),
    ) -> Message:
        """A user writes into a channel, or to the bot when ``channel`` is None."""
        text = " ".join([*(mentioned.mention for mentioned in mentions), content])
        return self.world.post(channel or self.world.dm_channel(user), user, {"content": text}, {})

    async def interaction(
        self,
        user: User,
        command: str,
        guild: Guild | None = None,
        options: dict[str, OptionValue] | None = None,
        *,
        locale: str | None = None,
        channel: TextChannel | DMChannel | None = None,
    ) -> Interaction:
        """A user uses a slash command; ``command`` may be "group sub" for a subcommand."""
        place = channel or self._place(user, guild)
        used = Interaction(self.world, self._changes, COMMAND, user, place)
        guild_id = guild.id if guild else None
        registered = self.command_registry.find(command.split(maxsplit=1)[0], guild_id)
        unregistered_id = self.world.entity_ids.next()
        data = command_data(registered, command, options or {}, guild, unregistered_id)
        self._send(used, data, locale)
        return used

    async def component_click(
        self,
        user: User,
        message: Message,
        custom_id: str,
        values: Sequence[str] = (),
        locale: str | None = None,
    ) -> Interaction:
        """A user presses a button or chooses in a select of a message."""
        component = find_by_custom_id(message.components, custom_id)
        if component is None:
            raise LookupError(f"the message has no component {custom_id!r}")
        used = Interaction(self.world, self._changes, COMPONENT, user, message.channel)
        used.source = message
        data: dict[str, Any] = {
            "custom_id": custom_id,
            "component_type": component["type"],
            "id": component["id"],
        }
        if component["type"] != BUTTON:
            data["values"] = list(values)
        self._send(used, data, locale)
        return used

    def _place(self, user: User, guild: Guild | None) -> Channel:
        if guild is None:
            return self.world.dm_channel(user)
        if not guild.channels:
            return guild.add_text_channel("general")
        return next(iter(guild.channels.values()))

    def _send(self, used: Interaction, data: dict[str, Any], locale: str | None) -> None:
        guild_id = used.guild.id if used.guild else None
        event = Event("INTERACTION_CREATE", used.payload(data, locale), guild_id)
        if not any(session.wants(event) for session in self.gateway.sessions):
            raise RuntimeError("no bot is connected that could get the interaction")
        self._interactions.by_token[used.token] = used
        self.gateway.emit(event)

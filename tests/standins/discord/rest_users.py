"""REST routes about users, the application and the gateway address."""

from typing import TYPE_CHECKING, Any

from tests.standins.discord.calls import Answer, Call, Route

if TYPE_CHECKING:
    from tests.standins.discord.server import DiscordStandin


class UserRoutes:
    """Who am I, who is this, where is the gateway, and open a direct-message channel."""

    def __init__(self, discord: "DiscordStandin") -> None:
        self._discord = discord
        self._world = discord.world

    @property
    def routes(self) -> list[Route]:
        """The routes of this module."""
        return [
            Route("GET", "/gateway", self._gateway, needs_token=False),
            Route("GET", "/gateway/bot", self._gateway_bot),
            Route("GET", "/oauth2/applications/@me", self._application),
            Route("GET", "/applications/@me", self._application),
            Route("GET", "/users/@me", self._me),
            Route("GET", "/users/@me/guilds", self._my_guilds),
            Route("POST", "/users/@me/channels", self._open_dm),
            Route("GET", "/users/{user_id}", self._user),
        ]

    def _gateway(self, call: Call) -> Answer:
        return Answer(200, {"url": self._discord.gateway_url})

    def _gateway_bot(self, call: Call) -> Answer:
        limit = {"total": 1000, "remaining": 1000, "reset_after": 0}
        limit["max_concurrency"] = self._discord.max_concurrency
        return Answer(
            200,
            {
                "url": self._discord.gateway_url,
                "shards": self._discord.shard_count,
                "session_start_limit": limit,
            },
        )

    def _application(self, call: Call) -> Answer:
        world = self._world
        application: dict[str, Any] = {
            "id": str(world.application_id),
            "name": "Moddy",
            "icon": None,
            "summary": "",
            "description": "",
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "00" * 32,
            "owner": world.owner.payload,
            "team": None,
            "flags": self._discord.application_flags,
            "bot": world.bot.payload,
            "interactions_endpoint_url": None,
            "redirect_uris": [],
            "approximate_guild_count": len(world.guilds),
            "approximate_user_install_count": 0,
        }
        return Answer(200, application)

    def _me(self, call: Call) -> Answer:
        return Answer(200, self._world.bot.own_payload)

    def _my_guilds(self, call: Call) -> Answer:
        return Answer(
            200,
            [
                {
                    "id": str(guild.id),
                    "name": guild.name,
                    "icon": None,
                    "banner": None,
                    "owner": False,
                    "permissions": str(guild.permissions_of(guild.bot_member)),
                    "features": [],
                }
                for guild in self._world.guilds.values()
            ],
        )

    def _open_dm(self, call: Call) -> Answer:
        user = self._world.user(call.body.get("recipient_id"))
        return Answer(200, self._world.dm_channel(user).payload)

    def _user(self, call: Call) -> Answer:
        return Answer(200, self._world.user(call["user_id"]).payload)

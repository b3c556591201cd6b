"""REST routes about guilds, members and roles."""

from tests.standins.discord.calls import Answer, Call, Route
from tests.standins.discord.errors import DiscordError, invalid_form
from tests.standins.discord.guilds import Guild, Member, Role
from tests.standins.discord.permissions import Permission
from tests.standins.discord.world import World, guild_payload


class GuildRoutes:
    """Read guilds, and give and take roles under Discord's hierarchy rules."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def routes(self) -> list[Route]:
        """The routes of this module."""
        guild = "/guilds/{guild_id}"
        role = guild + "/members/{user_id}/roles/{role_id}"
        return [
            Route("GET", guild, self._guild),
            Route("GET", guild + "/roles", self._roles),
            Route("GET", guild + "/roles/{role_id}", self._role),
            Route("GET", guild + "/channels", self._channels),
            Route("GET", guild + "/audit-logs", self._audit_log),
            Route("GET", guild + "/members", self._members),
            Route("GET", guild + "/members/search", self._search),
            Route("GET", guild + "/members/{user_id}", self._member),
            Route("PATCH", guild + "/members/{user_id}", self._edit_member),
            Route("PUT", role, self._add_role),
            Route("DELETE", role, self._remove_role),
        ]

    def _guild(self, call: Call) -> Answer:
        guild = self._world.guild(call["guild_id"])
        payload = guild_payload(guild)
        if call.query.get("with_counts", "").lower() in ("1", "true"):
            payload["approximate_member_count"] = len(guild.members)
            payload["approximate_presence_count"] = len(guild.members)
        return Answer(200, payload)

    def _roles(self, call: Call) -> Answer:
        guild = self._world.guild(call["guild_id"])
        return Answer(200, [role.payload for role in guild.roles.values()])

    def _role(self, call: Call) -> Answer:
        guild = self._world.guild(call["guild_id"])
        return Answer(200, _role_of(guild, call["role_id"]).payload)

    def _channels(self, call: Call) -> Answer:
        guild = self._world.guild(call["guild_id"])
        return Answer(200, [channel.payload for channel in guild.channels.values()])

    def _audit_log(self, call: Call) -> Answer:
        guild = self._world.guild(call["guild_id"])
        if not guild.audit_log.may_view:
            raise DiscordError.of(50013)
        action, user_id = call.query.get("action_type"), call.query.get("user_id")
        before, limit = int(call.query.get("before", 0)), int(call.query.get("limit", 50))
        found = [
            entry
            for entry in reversed(guild.audit_log.entries)
            if (action is None or str(int(entry.action)) == action)
            and (user_id is None or (entry.by is not None and str(entry.by.id) == user_id))
            and (not before or entry.id < before)
        ][:limit]
        users = {user.id: user for entry in found for user in (entry.by, entry.target) if user}
        empty = ("webhooks", "integrations", "threads", "application_commands")
        more = ("auto_moderation_rules", "guild_scheduled_events")
        return Answer(
            200,
            {
                "audit_log_entries": [entry.payload for entry in found],
                "users": [user.payload for user in users.values()],
                **{name: [] for name in (*empty, *more)},
            },
        )

    def _members(self, call: Call) -> Answer:
        guild = self._world.guild(call["guild_id"])
        after = int(call.query.get("after", 0))
        limit = int(call.query.get("limit", 1))
        if not 1 <= limit <= 1000:
            raise invalid_form("limit", "int value should be between 1 and 1000.")
        ids = sorted(user_id for user_id in guild.members if user_id > after)[:limit]
        return Answer(200, [guild.members[user_id].payload for user_id in ids])

    def _search(self, call: Call) -> Answer:
        guild = self._world.guild(call["guild_id"])
        found = members_named(guild, call.query.get("query", ""))
        limit = int(call.query.get("limit", 1))
        return Answer(200, [member.payload for member in found[:limit]])

    def _member(self, call: Call) -> Answer:
        guild = self._world.guild(call["guild_id"])
        return Answer(200, self._member_of(guild, call["user_id"]).payload)

    def _edit_member(self, call: Call) -> Answer:
        guild = self._world.guild(call["guild_id"])
        member = self._member_of(guild, call["user_id"])
        if call.body.get("roles") is not None:
            wanted = {_role_of(guild, str(role_id)).id for role_id in call.body["roles"]}
            for role_id in wanted ^ member.roles:
                self._check_may_give(guild, guild.roles[role_id])
            self._set_roles(call, guild, member, wanted)
        return Answer(200, member.payload)

    def _add_role(self, call: Call) -> Answer:
        guild, member, role = self._checked(call)
        self._set_roles(call, guild, member, member.roles | {role.id})
        return Answer(204)

    def _remove_role(self, call: Call) -> Answer:
        guild, member, role = self._checked(call)
        self._set_roles(call, guild, member, member.roles - {role.id})
        return Answer(204)

    def _set_roles(self, call: Call, guild: Guild, member: Member, roles: set[int]) -> None:
        before = set(member.roles)
        guild.set_member_roles(member, roles)
        reason = call.headers.get("X-Audit-Log-Reason")
        guild.audit_log.add_roles(self._world.bot, member.user, before, roles, reason)

    def _checked(self, call: Call) -> tuple[Guild, Member, Role]:
        guild = self._world.guild(call["guild_id"])
        member = self._member_of(guild, call["user_id"])
        role = _role_of(guild, call["role_id"])
        self._check_may_give(guild, role)
        return guild, member, role

    def _check_may_give(self, guild: Guild, role: Role) -> None:
        if not guild.permissions_of(guild.bot_member) & Permission.MANAGE_ROLES:
            raise DiscordError.of(50013)
        if role.managed or role is guild.everyone:
            raise DiscordError.of(50028)
        if role.position >= guild.bot_top_position:
            raise DiscordError.of(50013)

    def _member_of(self, guild: Guild, user_id: str) -> Member:
        # An id that no account has is another answer than an account that is not in the guild.
        user = self._world.user(user_id)
        if user.id not in guild.members:
            raise DiscordError.of(10007)
        return guild.members[user.id]


def members_named(guild: Guild, beginning: str) -> list[Member]:
    """Members whose username or nickname begins so, whatever the case."""
    start = beginning.lower()
    return [
        member
        for member in guild.members.values()
        if member.user.username.lower().startswith(start)
        or (member.nick or "").lower().startswith(start)
    ]


def _role_of(guild: Guild, role_id: str) -> Role:
    role = guild.roles.get(int(role_id)) if role_id.isdecimal() else None
    if role is None:
        raise DiscordError.of(10011)
    return role

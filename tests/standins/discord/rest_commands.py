"""REST routes about application commands."""

import re
from typing import Any

from tests.standins.discord.calls import Answer, Call, Route
from tests.standins.discord.changes import Changes
from tests.standins.discord.errors import DiscordError, invalid_form, too_long
from tests.standins.discord.world import World

CHAT_INPUT = 1
_NAME = re.compile(r"^[-_'\w]{1,32}$")

Command = dict[str, Any]


class CommandRegistry:
    """The application's commands; ``syncs`` counts bulk overwrites of the global ones."""

    def __init__(self, world: World, changes: Changes) -> None:
        self._world = world
        self._changes = changes
        self.by_guild: dict[int | None, list[Command]] = {None: []}
        self.syncs = 0

    @property
    def routes(self) -> list[Route]:
        """The routes of this module."""
        scopes = ("/applications/{app}/commands", "/applications/{app}/guilds/{guild_id}/commands")
        return [
            route
            for scope in scopes
            for route in (
                Route("GET", scope, self._list),
                Route("PUT", scope, self._overwrite),
                Route("POST", scope, self._upsert),
                Route("GET", scope + "/{command_id}", self._get),
                Route("PATCH", scope + "/{command_id}", self._edit),
                Route("DELETE", scope + "/{command_id}", self._delete),
            )
        ]

    def find(self, name: str, guild_id: int | None) -> Command | None:
        """The chat command of this name that a user in the guild would get."""
        for scope in (guild_id, None):
            for command in self.by_guild.get(scope, []):
                if command["name"] == name and command["type"] == CHAT_INPUT:
                    return command
        return None

    def _scope(self, call: Call) -> int | None:
        if call["app"] != str(self._world.application_id):
            raise DiscordError.of(20012)
        guild_id = call.parameters.get("guild_id")
        scope = None if guild_id is None else self._world.guild(guild_id).id
        self.by_guild.setdefault(scope, [])
        return scope

    def _list(self, call: Call) -> Answer:
        return Answer(200, self.by_guild[self._scope(call)])

    def _overwrite(self, call: Call) -> Answer:
        scope = self._scope(call)
        if not isinstance(call.json, list):
            raise invalid_form("commands", "Only lists may be used")
        if len(call.json) > 100:
            raise too_long("commands", 100)
        for index, body in enumerate(call.json):
            check_command(body, str(index))
        names = [(body.get("type", CHAT_INPUT), body["name"]) for body in call.json]
        if len(set(names)) < len(names):
            raise invalid_form(
                "name",
                "Application command names must be unique",
                code="APPLICATION_COMMANDS_DUPLICATE_NAME",
            )
        self.by_guild[scope] = [self._registered(scope, body) for body in call.json]
        if scope is None:
            self.syncs += 1
        self._changes.notify()
        return Answer(200, self.by_guild[scope])

    def _upsert(self, call: Call) -> Answer:
        scope = self._scope(call)
        check_command(call.body, "command")
        command = self._registered(scope, call.body)
        known = [entry for entry in self.by_guild[scope] if entry["id"] != command["id"]]
        created = len(known) == len(self.by_guild[scope])
        self.by_guild[scope] = [*known, command]
        return Answer(201 if created else 200, command)

    def _get(self, call: Call) -> Answer:
        return Answer(200, self._find_by_id(call))

    def _edit(self, call: Call) -> Answer:
        command = self._find_by_id(call)
        check_command({**command, **call.body}, "command")
        command.update(call.body)
        return Answer(200, command)

    def _delete(self, call: Call) -> Answer:
        command = self._find_by_id(call)
        self.by_guild[self._scope(call)].remove(command)
        return Answer(204)

    def _find_by_id(self, call: Call) -> Command:
        for command in self.by_guild[self._scope(call)]:
            if command["id"] == call["command_id"]:
                return command
        raise DiscordError.of(10063)

    def _registered(self, scope: int | None, body: Command) -> Command:
        """A command as Discord stores it; the same name keeps its id over syncs."""
        kind = body.get("type", CHAT_INPUT)
        known = next(
            (
                entry["id"]
                for entry in self.by_guild[scope]
                if entry["name"] == body["name"] and entry["type"] == kind
            ),
            None,
        )
        command: Command = {
            "default_member_permissions": None,
            "nsfw": False,
            "description": "",
            "name_localizations": None,
            "description_localizations": None,
            **body,
            "type": kind,
            "id": known or str(self._world.entity_ids.next()),
            "application_id": str(self._world.application_id),
            "version": str(self._world.event_ids.next()),
        }
        if scope is not None:
            command["guild_id"] = str(scope)
        return command


def check_command(body: Command, field: str) -> None:
    """Raise what Discord answers to a command that it does not take."""
    name = body.get("name") or ""
    if not 1 <= len(name) <= 32:
        raise too_long(f"{field}.name", 32)
    if body.get("type", CHAT_INPUT) != CHAT_INPUT:
        return
    texts = [*(body.get("name_localizations") or {}).values(), name]
    if any(not _NAME.match(text) or text != text.lower() for text in texts):
        raise invalid_form(
            f"{field}.name", "Command name is invalid", code="APPLICATION_COMMAND_INVALID_NAME"
        )
    descriptions = list((body.get("description_localizations") or {}).values())
    for description in (*descriptions, body.get("description") or ""):
        if not 1 <= len(description) <= 100:
            raise invalid_form(f"{field}.description", "Must be between 1 and 100 in length.")
    options = body.get("options") or []
    if len(options) > 25:
        raise too_long(f"{field}.options", 25)
    for index, option in enumerate(options):
        check_command({**option, "type": CHAT_INPUT}, f"{field}.options.{index}")

"""The data of a command interaction, from the plain values a test gives."""

from typing import Any

from tests.standins.discord.channels import TextChannel
from tests.standins.discord.guilds import Guild, Role
from tests.standins.discord.users import User

SUB_COMMAND, SUB_COMMAND_GROUP = 1, 2
STRING, INTEGER, BOOLEAN, NUMBER = 3, 4, 5, 10
USER, CHANNEL, ROLE, MENTIONABLE = 6, 7, 8, 9

OptionValue = str | int | float | bool | User | Role | TextChannel


def command_data(
    command: dict[str, Any] | None,
    path: str,
    options: dict[str, OptionValue],
    guild: Guild | None,
    unregistered_id: int,
) -> dict[str, Any]:
    """What a client sends for ``/path`` with these options.

    ``path`` is the command's name, followed by those of its group and subcommand with spaces
    between. A command that was never registered still gets data, with the option types guessed
    from the values, for bots that leave the registration to another process.
    """
    names = path.split()
    schema = command or {}
    levels: list[tuple[str, int]] = []
    for depth, name in enumerate(names[1:], start=2):
        schema = _option_schema(schema, name)
        guessed = SUB_COMMAND if depth == len(names) else SUB_COMMAND_GROUP
        levels.append((name, schema.get("type", guessed)))
    sent = [_sent_option(schema, name, value) for name, value in options.items()]
    for name, kind in reversed(levels):
        sent = [{"name": name, "type": kind, "options": sent}]
    data: dict[str, Any] = {
        "id": command["id"] if command else str(unregistered_id),
        "name": names[0],
        "type": 1,
        "options": sent,
        "resolved": _resolved(list(options.values()), guild),
    }
    if command and "guild_id" in command:
        data["guild_id"] = command["guild_id"]
    return data


def _option_schema(schema: dict[str, Any], name: str) -> dict[str, Any]:
    options = schema.get("options") or []
    return next((option for option in options if option["name"] == name), {})


def _sent_option(schema: dict[str, Any], name: str, value: OptionValue) -> dict[str, Any]:
    kind = _option_schema(schema, name).get("type", _guessed_type(value))
    sent = str(value.id) if isinstance(value, User | Role | TextChannel) else value
    return {"name": name, "type": kind, "value": sent}


def _guessed_type(value: OptionValue) -> int:
    # bool stands before int because True is an int too.
    kinds: tuple[tuple[type, int], ...] = (
        (bool, BOOLEAN),
        (int, INTEGER),
        (float, NUMBER),
        (User, USER),
        (Role, ROLE),
        (TextChannel, CHANNEL),
    )
    return next((kind for type_, kind in kinds if isinstance(value, type_)), STRING)


def _resolved(values: list[OptionValue], guild: Guild | None) -> dict[str, Any]:
    users = [value for value in values if isinstance(value, User)]
    members = {} if guild is None else guild.members
    return {
        "users": {str(user.id): user.payload for user in users},
        "members": {
            str(user.id): {**members[user.id].partial_payload, "permissions": "0"}
            for user in users
            if user.id in members
        },
        "roles": {str(value.id): value.payload for value in values if isinstance(value, Role)},
        "channels": {
            str(value.id): {**value.payload, "permissions": "0"}
            for value in values
            if isinstance(value, TextChannel)
        },
    }

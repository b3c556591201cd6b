"""Answers to a bot that asks for the members of a guild over the gateway."""

from typing import Any

from tests.standins.discord.guilds import Guild, Member
from tests.standins.discord.rest_guilds import members_named

CHUNK_SIZE = 1000


def chunks(guild: Guild, request: dict[str, Any]) -> list[dict[str, Any]]:
    """The GUILD_MEMBERS_CHUNK payloads that answer a request; at least one."""
    members, not_found = _asked_for(guild, request)
    parts = [members[at : at + CHUNK_SIZE] for at in range(0, len(members), CHUNK_SIZE)] or [[]]
    answers = []
    for index, part in enumerate(parts):
        answer: dict[str, Any] = {
            "guild_id": str(guild.id),
            "members": [member.payload for member in part],
            "chunk_index": index,
            "chunk_count": len(parts),
            "not_found": not_found,
        }
        if request.get("presences"):
            answer["presences"] = []
        if request.get("nonce"):
            answer["nonce"] = request["nonce"]
        answers.append(answer)
    return answers


def _asked_for(guild: Guild, request: dict[str, Any]) -> tuple[list[Member], list[str]]:
    wanted = request.get("user_ids")
    if wanted is not None:
        ids = [int(user_id) for user_id in (wanted if isinstance(wanted, list) else [wanted])]
        found = [guild.members[user_id] for user_id in ids if user_id in guild.members]
        return found, [str(user_id) for user_id in ids if user_id not in guild.members]
    found = members_named(guild, request.get("query") or "")
    limit = int(request.get("limit") or 0)
    return (found[:limit] if limit else found), []

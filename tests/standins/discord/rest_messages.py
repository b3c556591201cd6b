"""REST routes about channels and their messages."""

from tests.standins.discord.calls import Answer, Call, Route
from tests.standins.discord.components import check_message
from tests.standins.discord.errors import DiscordError
from tests.standins.discord.messages import IS_COMPONENTS_V2, Message
from tests.standins.discord.permissions import Permission
from tests.standins.discord.world import World, message_event


class MessageRoutes:
    """Create, read, change and delete messages."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def routes(self) -> list[Route]:
        """The routes of this module."""
        message = "/channels/{channel_id}/messages/{message_id}"
        return [
            Route("GET", "/channels/{channel_id}", self._channel),
            Route("POST", "/channels/{channel_id}/typing", self._typing),
            Route("GET", "/channels/{channel_id}/messages", self._history),
            Route("POST", "/channels/{channel_id}/messages", self._create),
            Route("GET", message, self._get),
            Route("PATCH", message, self._edit),
            Route("DELETE", message, self._delete),
        ]

    def _channel(self, call: Call) -> Answer:
        channel = self._world.channel(call["channel_id"])
        channel.check_view()
        return Answer(200, channel.payload)

    def _typing(self, call: Call) -> Answer:
        self._world.channel(call["channel_id"]).check_send()
        return Answer(204)

    def _history(self, call: Call) -> Answer:
        channel = self._world.channel(call["channel_id"])
        channel.check_view()
        before = int(call.query.get("before", 2**63))
        after = int(call.query.get("after", 0))
        fitting = [message for message in channel.messages if after < message.id < before]
        limit = int(call.query.get("limit", 50))
        chosen = fitting[:limit] if after else fitting[-limit:]
        return Answer(200, [message.payload for message in reversed(chosen)])

    def _create(self, call: Call) -> Answer:
        channel = self._world.channel(call["channel_id"])
        # Discord looks at the body before it looks at whether the bot may write.
        body = with_files(call)
        check_message(body)
        channel.check_send()
        return Answer(200, self._world.post(channel, self._world.bot, body, {}).payload)

    def _get(self, call: Call) -> Answer:
        return Answer(200, self._find(call).payload)

    def _edit(self, call: Call) -> Answer:
        message = self._find(call)
        if message.author is not self._world.bot:
            raise DiscordError.of(50005)
        already_v2 = bool(message.flags & IS_COMPONENTS_V2)
        check_message(call.body, already_v2=already_v2, editing=True)
        message.edit(call.body)
        self._world.emit(message_event("MESSAGE_UPDATE", message, self._world.bot))
        return Answer(200, message.payload)

    def _delete(self, call: Call) -> Answer:
        message = self._find(call)
        if message.author is not self._world.bot and not (
            message.channel.bot_permissions & Permission.MANAGE_MESSAGES
        ):
            raise DiscordError.of(50013)
        self._world.delete(message)
        return Answer(204)

    def _find(self, call: Call) -> Message:
        channel = self._world.channel(call["channel_id"])
        channel.check_view()
        for message in channel.messages:
            if str(message.id) == call["message_id"]:
                return message
        raise DiscordError.of(10008)


def with_files(call: Call) -> dict[str, object]:
    """The message body, with an attachment for each uploaded file."""
    if not call.files:
        return call.body
    attachments = [
        {
            "id": str(index + 1),
            "filename": name,
            "size": 0,
            "url": f"https://cdn.discordapp.com/attachments/{name}",
            "proxy_url": f"https://media.discordapp.net/attachments/{name}",
        }
        for index, name in enumerate(call.files)
    ]
    return {**call.body, "attachments": attachments}

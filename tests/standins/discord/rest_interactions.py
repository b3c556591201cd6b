"""REST routes with which a bot answers interactions."""

import time
from typing import Any

from tests.standins.discord.calls import Answer, Call, Route
from tests.standins.discord.changes import Changes
from tests.standins.discord.components import check_message
from tests.standins.discord.errors import DiscordError, invalid_form
from tests.standins.discord.interactions import COMPONENT, Interaction
from tests.standins.discord.messages import IS_COMPONENTS_V2, LOADING, Message
from tests.standins.discord.rest_messages import with_files
from tests.standins.discord.world import World, message_event

MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE_MESSAGE, AUTOCOMPLETE, MODAL = 4, 5, 6, 7, 8, 9
_KNOWN_TYPES = (MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE_MESSAGE, AUTOCOMPLETE, MODAL)


class InteractionRoutes:
    """First responses, and the followups and edits behind an interaction's token."""

    def __init__(self, world: World, changes: Changes) -> None:
        self._world = world
        self._changes = changes
        self.by_token: dict[str, Interaction] = {}
        # Discord gives a bot three seconds for its first answer.
        self.deadline = 3.0

    @property
    def routes(self) -> list[Route]:
        """The routes of this module; the token in the path is all the permission needed."""
        callback = "/interactions/{interaction_id}/{token}/callback"
        webhook = "/webhooks/{app}/{token}"
        message = webhook + "/messages/{message_id}"
        return [
            Route("POST", callback, self._callback, needs_token=False),
            Route("POST", webhook, self._followup, needs_token=False),
            Route("GET", message, self._get, needs_token=False),
            Route("PATCH", message, self._edit, needs_token=False),
            Route("DELETE", message, self._delete, needs_token=False),
        ]

    def _callback(self, call: Call) -> Answer:
        interaction = self.by_token.get(call["token"])
        if interaction is None or str(interaction.id) != call["interaction_id"]:
            raise DiscordError.of(10062)
        if interaction.callbacks:
            raise DiscordError.of(40060)
        if time.monotonic() - interaction.created > self.deadline:
            raise DiscordError.of(10062)
        kind = call.body.get("type")
        if kind not in _KNOWN_TYPES:
            raise invalid_form("type", f"Value must be one of {_KNOWN_TYPES}.")
        data = call.body.get("data") or {}
        message = self._respond(interaction, kind, data)
        interaction.callbacks.append(call.body)
        self._changes.notify()
        if call.query.get("with_response", "").lower() not in ("1", "true"):
            return Answer(204)
        return Answer(200, _callback_resource(interaction, kind, message))

    def _respond(self, interaction: Interaction, kind: int, data: dict[str, Any]) -> Message | None:
        if kind == MESSAGE:
            check_message(data)
            return interaction.respond(data)
        if kind == DEFERRED_MESSAGE:
            return interaction.respond(data, loading=True)
        if kind in (DEFERRED_UPDATE, UPDATE_MESSAGE):
            if interaction.type != COMPONENT or interaction.source is None:
                raise invalid_form("type", "Only a component can update its message.")
            interaction.original = interaction.source
            if kind == UPDATE_MESSAGE:
                self._change(interaction.source, data)
                interaction.source_changed = True
            return interaction.source
        return None

    def _followup(self, call: Call) -> Answer:
        interaction = self._answered(call)
        body = with_files(call)
        check_message(body)
        message = interaction.reply(body)
        self._changes.notify()
        return Answer(200, message.payload)

    def _get(self, call: Call) -> Answer:
        return Answer(200, self._find(call).payload)

    def _edit(self, call: Call) -> Answer:
        message = self._find(call)
        interaction = self._answered(call)
        if message is interaction.original and message.flags & LOADING:
            check_message(call.body, editing=True)
            interaction.fill_original(call.body)
        else:
            self._change(message, call.body)
            interaction.source_changed |= message is interaction.source
        self._changes.notify()
        return Answer(200, message.payload)

    def _change(self, message: Message, body: dict[str, Any]) -> None:
        check_message(body, already_v2=bool(message.flags & IS_COMPONENTS_V2), editing=True)
        message.edit(body)
        if not message.ephemeral:
            self._world.emit(message_event("MESSAGE_UPDATE", message, self._world.bot))

    def _delete(self, call: Call) -> Answer:
        message = self._find(call)
        if message.ephemeral:
            message.deleted = True
        else:
            self._world.delete(message)
        self._changes.notify()
        return Answer(204)

    def _answered(self, call: Call) -> Interaction:
        """The interaction behind a token, once it was answered: before, its webhook is unknown."""
        interaction = self.by_token.get(call["token"])
        right_application = call["app"] == str(self._world.application_id)
        if interaction is None or not interaction.callbacks or not right_application:
            raise DiscordError.of(10015)
        return interaction

    def _find(self, call: Call) -> Message:
        interaction = self._answered(call)
        wanted = call["message_id"]
        for message in (interaction.original, *interaction.followups):
            is_original = message is interaction.original and wanted == "@original"
            if message and not message.deleted and (is_original or str(message.id) == wanted):
                return message
        raise DiscordError.of(10008)


def _callback_resource(
    interaction: Interaction, kind: int, message: Message | None
) -> dict[str, Any]:
    described: dict[str, Any] = {"id": str(interaction.id), "type": interaction.type}
    if message is None:
        return {"interaction": described}
    described["response_message_id"] = str(message.id)
    described["response_message_loading"] = bool(message.flags & LOADING)
    described["response_message_ephemeral"] = message.ephemeral
    resource = {"type": kind, "message": message.payload}
    return {"interaction": described, "resource": resource}

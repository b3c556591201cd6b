"""``POST /internal/roles/update``."""

from __future__ import annotations

from aiohttp import web

from moddy.errors import IdempotencyConflict, StoreUnavailable
from moddy.models import InternalUpdateRolesRequest
from moddy.services import answers
from moddy.web.bodies import convert, read_json
from moddy.web.idempotency import read_context, respond, reused_key
from moddy.web.keys import DELIVERIES, ROLE_UPDATES
from moddy.web.refusals import Refusal, answer_store_unavailable


async def update(request: web.Request) -> web.StreamResponse:
    """Accept a role update and tell what became of its first attempt."""
    body = await read_json(request)
    parsed = convert(body, InternalUpdateRolesRequest)
    if set(parsed.add_roles or ()) & set(parsed.remove_roles or ()):
        raise Refusal(
            422, "Expected no role in both add_roles and remove_roles", field="$.remove_roles"
        )
    role_updates = request.app[ROLE_UPDATES]
    context = read_context(request, body, event_id=None)
    try:
        accepted = await role_updates.accept(parsed, context)
    except IdempotencyConflict:
        raise reused_key() from None
    except StoreUnavailable:
        return answer_store_unavailable(answers.roles_no_store(role_updates.guild_id))
    return await respond(request, request.app[DELIVERIES], accepted)

"""``POST /internal/notify``."""

from __future__ import annotations

from aiohttp import web

from moddy.errors import IdempotencyConflict, StoreUnavailable
from moddy.models import InternalNotifyUserRequest
from moddy.notices import read_event_id
from moddy.services import answers
from moddy.web.bodies import convert, read_json
from moddy.web.idempotency import read_context, respond, reused_key
from moddy.web.keys import DELIVERIES, NOTIFICATIONS
from moddy.web.refusals import answer_store_unavailable


async def notify(request: web.Request) -> web.StreamResponse:
    """Accept a notification and tell what became of its first attempt."""
    body = await read_json(request)
    parsed = convert(body, InternalNotifyUserRequest)
    event_id = read_event_id(parsed.metadata)
    context = read_context(request, body, event_id=event_id)
    try:
        accepted = await request.app[NOTIFICATIONS].accept(parsed, context)
    except IdempotencyConflict:
        raise reused_key() from None
    except StoreUnavailable:
        return answer_store_unavailable(answers.NOTIFY_NO_STORE)
    return await respond(request, request.app[DELIVERIES], accepted)

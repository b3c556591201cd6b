"""The Idempotency-Key of a request, and answering a repeated one."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import web

from moddy.request_ids import current_request_id, new_request_id
from moddy.services.deliveries import Deliveries
from moddy.services.intake import Accepted
from moddy.signing import ID
from moddy.store.deliveries import RequestContext
from moddy.web.bodies import hash_json
from moddy.web.keys import CALL
from moddy.web.refusals import Refusal, json_response

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEY_PATTERN = r"[\x21-\x7e]{1,255}"
_KEY = re.compile(KEY_PATTERN)


def read_context(request: web.Request, body: Any, *, event_id: str | None) -> RequestContext:
    """Return what identifies the request.

    The id that a signed request was signed as wins over the header, which nobody has signed, and
    the header over `event_id`.

    Raises:
        Refusal: 422, the key is not 1 to 255 visible ASCII characters.
    """
    key, field = request[CALL].message_id, ID
    if key is None:
        key, field = request.headers.get(HEADER), HEADER
    if key is None:
        key, field = event_id, "$.metadata.event_id"
    if key is not None and not _KEY.fullmatch(key):
        raise Refusal(422, "Expected a key of 1 to 255 visible ASCII characters", field=field)
    return RequestContext(
        request_id=current_request_id.get() or new_request_id(),
        body_hash=hash_json(body),
        idempotency_key=key,
    )


def reused_key() -> Refusal:
    """Return the refusal of a key that came before with another body."""
    return Refusal(422, "Idempotency-Key reused with a different body", field=HEADER)


async def respond(
    request: web.Request, deliveries: Deliveries, accepted: Accepted
) -> web.StreamResponse:
    """Answer an accepted request, waiting for its first attempt as long as there is time."""
    remaining = request[CALL].deadline - asyncio.get_running_loop().time()
    answer = await deliveries.answer(accepted, within=max(remaining, 0.0))
    headers = {REPLAYED: "true"} if accepted.replayed else None
    return json_response(answer.status, answer.body, headers=headers)

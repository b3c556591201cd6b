"""``GET /internal/users/{discord_id}/premium``."""

from __future__ import annotations

from aiohttp import web

from moddy.models import PremiumResponse, Snowflake, encode
from moddy.web.keys import PREMIUM
from moddy.web.refusals import Refusal, json_response


async def read(request: web.Request) -> web.StreamResponse:
    """Tell whether a user is premium, and until when."""
    try:
        user_id = Snowflake.parse(request.match_info["discord_id"])
    except ValueError as error:
        raise Refusal(422, str(error), field="$.discord_id") from None
    status = await request.app[PREMIUM].status(user_id)
    body = PremiumResponse(discord_id=user_id, premium=status.premium, premium_until=status.until)
    return json_response(200, encode(body))

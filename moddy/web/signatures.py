"""Signatures of requests, where they are asked for.

Standard Webhooks signs the message's id, the attempt's time and the body, and neither method nor
path: the bearer secret stays required, and keys are kept apart by endpoint.
"""

from __future__ import annotations

import structlog
from aiohttp import web

from moddy.errors import SignatureRefused
from moddy.signing import Signer
from moddy.web.bodies import read_body
from moddy.web.keys import CALL
from moddy.web.refusals import Refusal

log = structlog.get_logger(__name__)


async def require_signature(request: web.Request, signer: Signer) -> None:
    """Remember the id that a request is signed as; one without a body signs the empty one.

    Raises:
        Refusal: 401, always in the same words, as only the log tells what is wrong with the
            signature; 413, 408 or 400 for a body that cannot be read.
    """
    body = await read_body(request)
    try:
        request[CALL].message_id = signer.verify(request.headers, body)
    except SignatureRefused as error:
        log.warning("signature refused", reason=str(error))
        headers = {"WWW-Authenticate": "Bearer"}
        raise Refusal(401, "Invalid webhook signature", headers=headers) from None

"""Signed requests between Moddy and the backend, as Standard Webhooks describes them.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from standardwebhooks import Webhook, WebhookVerificationError

from moddy.errors import SignatureRefused

# The least that the specification allows.
SECRET_BYTES = 24
ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"


class Signer:
    """Signs and verifies with shared secrets, each ``whsec_`` and base64.

    With several, all sign and any is accepted, so that one can replace another without a pause.

    Raises:
        ValueError: there is no secret, or one is not base64 of 24 bytes or more.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._webhooks = [Webhook(_decode(secret)) for secret in secrets]
        if not self._webhooks:
            raise ValueError("there is no signing secret")

    def headers(self, message_id: str, body: bytes) -> dict[str, str]:
        """Return the headers of one attempt, made now; `message_id` is the same for all."""
        now = datetime.now(UTC)
        text = body.decode()
        signatures = [webhook.sign(message_id, now, text) for webhook in self._webhooks]
        return {
            ID: message_id,
            TIMESTAMP: str(int(now.timestamp())),
            SIGNATURE: " ".join(signatures),
        }

    def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        """Return the message's id.

        Raises:
            SignatureRefused: a header is missing, the attempt was made more than five minutes
                from now, or no signature fits.
        """
        given = {name: headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE)}
        if not all(given.values()):
            raise SignatureRefused("Missing webhook headers")
        refusals = [_try(webhook, body, given) for webhook in self._webhooks]
        if None not in refusals:
            raise SignatureRefused(refusals[0] or "")
        return given[ID]


def _decode(secret: str) -> bytes:
    """Return a secret's bytes; strictly, so that a slip shows at the start."""
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    if len(key) < SECRET_BYTES:
        raise ValueError("a signing secret is too short")
    return key


def _try(webhook: Webhook, body: bytes, headers: dict[str, str]) -> str | None:
    """Return why one secret does not verify, None when it does."""
    try:
        webhook.verify(body, headers, json_parse=False)
    except WebhookVerificationError as error:
        return str(error)
    except ValueError:  # no base64, no comma, a body that is not UTF-8
        return "No matching signature found"
    return None

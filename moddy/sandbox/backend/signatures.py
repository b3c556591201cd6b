"""Signing and verifying as a backend does it, with the library of Standard Webhooks.

Of use with INTERNAL_SIGNING_SECRETS. With several secrets everything is signed with all of them,
and accepted with any: that is what lets both sides change theirs one after the other.
"""

from __future__ import annotations

import secrets as random_secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook, WebhookVerificationError


def sign(secrets: Sequence[str], body: bytes, *, message_id: str | None = None) -> dict[str, str]:
    """Return the headers for one try; a message that is tried again keeps its `message_id`.

    Without secrets there are none.
    """
    if not secrets:
        return {}
    message_id = message_id or f"msg_{random_secrets.token_urlsafe(16)}"
    now, text = datetime.now(UTC), body.decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(
            Webhook(secret).sign(message_id, now, text) for secret in secrets
        ),
    }


def is_signed(secrets: Sequence[str], headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether a request is signed with one of the secrets, within the last five minutes."""
    return any(_verifies(Webhook(secret), dict(headers), body) for secret in secrets)


def _verifies(webhook: Webhook, headers: dict[str, str], body: bytes) -> bool:
    try:
        webhook.verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True

"""Authentication of the internal API: one shared secret, as a bearer token."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from aiohttp import web

from moddy.web.refusals import Refusal

Authenticator = Callable[[web.Request], None]


def make_authenticator(secret: str | None, previous: str | None) -> Authenticator:
    """Return a check of the Authorization header, which raises `Refusal` unless it holds.

    `previous` is accepted as well, while a rotation is under way. Secrets are compared as bytes
    and in constant time; all are compared each time, so that it does not show which one matched.
    """
    # The environment and the parser both keep bytes that are not UTF-8 as surrogates: this gives
    # them back.
    accepted = [_bytes(text) for text in (secret, previous) if text is not None]

    def authenticate(request: web.Request) -> None:
        if secret is None:
            raise Refusal(503, "Internal API secret not configured")
        header = request.headers.get("Authorization")
        if header is None:
            raise _unauthorized("Missing Authorization header")
        scheme, _, token = header.partition(" ")
        token = token.strip(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized("Invalid Authorization format")
        given = _bytes(token)
        matches = [hmac.compare_digest(given, one) for one in accepted]
        if not any(matches):
            raise Refusal(403, "Invalid internal API secret")

    return authenticate


def is_internal(path: str) -> bool:
    """Tell whether a path is under ``/internal``."""
    return path == "/internal" or path.startswith("/internal/")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _unauthorized(error: str) -> Refusal:
    return Refusal(401, error, headers={"WWW-Authenticate": "Bearer"})

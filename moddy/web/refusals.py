"""Refusing a request: the status, the body's text, and the headers that belong to it."""

from __future__ import annotations

from collections.abc import Mapping

from moddy.models import ErrorResponse, encode
from moddy.store.deliveries import Answer
from moddy.web.responses import JsonResponse

_RETRY_AFTER = {"Retry-After": "5"}  # seconds


class Refusal(Exception):
    """Ends a handler with an error answer. `field` is the JSON path or header at fault."""

    def __init__(
        self,
        status: int,
        error: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.field = field
        self.headers = headers

    def response(self) -> JsonResponse:
        """Return the answer."""
        body = ErrorResponse(error=self.error, field=self.field)
        return json_response(self.status, encode(body), headers=self.headers)


def overloaded() -> Refusal:
    """Return the refusal of a request beyond those that are in hand."""
    return Refusal(503, "Too many requests in hand", headers=_RETRY_AFTER)


def store_unavailable() -> Refusal:
    """Return the refusal of an endpoint without an answer table when the store is away."""
    return Refusal(503, "Store unavailable", headers=_RETRY_AFTER)


def answer_store_unavailable(answer: Answer) -> JsonResponse:
    """Return the store row of an endpoint's answer table."""
    return json_response(answer.status, answer.body, headers=_RETRY_AFTER)


def json_response(
    status: int, body: bytes, *, headers: Mapping[str, str] | None = None
) -> JsonResponse:
    """Return a JSON answer from its encoded body."""
    return JsonResponse(status, body, headers=headers)

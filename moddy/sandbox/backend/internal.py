"""The six endpoints that Moddy calls, as section 3 of the wire contract has them."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from moddy.sandbox.backend.billing import Billing, BillingError
from moddy.sandbox.backend.books import Books, KeptAnswer, find_answer, keep_answer
from moddy.sandbox.backend.signatures import is_signed
from moddy.sandbox.backend.wire import (
    AboutUser,
    EventAnswer,
    EventNotice,
    HealthAnswer,
    InvoicesAnswer,
    InvoicesQuery,
    RefundAnswer,
    RefundOrder,
    SubscriptionAnswer,
    UserInfoAnswer,
)

T = TypeVar("T")
SERVICE = "website-backend"
VERSION = "1.0.0"


def require_secret(secret: str, signing_secrets: Sequence[str] = ()) -> Middleware:
    """Return a middleware that lets only the shared secret in under ``/internal``.

    With `signing_secrets` a request has to be signed with one of them as well.
    """
    expected = secret.encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/internal"):
            return await handler(request)
        header = request.headers.get("Authorization")
        if header is None:
            return _error(401, "Missing Authorization header")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return _error(401, "Invalid Authorization format")
        if not hmac.compare_digest(token.encode("utf-8", "surrogateescape"), expected):
            return _error(403, "Invalid internal API secret")
        if signing_secrets and not is_signed(
            signing_secrets, request.headers, await request.read()
        ):
            return _error(401, "Invalid webhook signature")
        response = await handler(request)
        # A kept connection would leave a timer among the bot's own work, and SimCord waits for
        # that work before each click.
        response.force_close()
        return response

    return check


class InternalApi:
    """Handlers of the six endpoints."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def routes(self) -> list[web.RouteDef]:
        """Return the six routes."""
        return [
            web.get("/internal/health", self.health),
            web.post("/internal/user/info", self.user_info),
            web.post("/internal/event/notify", self.event_notify),
            web.post("/internal/subscription/info", self.subscription_info),
            web.post("/internal/subscription/invoices", self.invoices),
            web.post("/internal/subscription/refund", self.refund),
        ]

    async def health(self, request: web.Request) -> web.Response:
        """Tell that the backend is there."""
        return _answer(HealthAnswer(status="healthy", service=SERVICE, version=VERSION))

    async def user_info(self, request: web.Request) -> web.Response:
        """Tell the account of a Discord user."""
        about = await _decode(request, AboutUser)
        async with self._books.billing() as billing:
            account = await billing.find_account(about.discord_id)
        if account is None:
            answer = UserInfoAnswer(success=True, message="User not found", user_found=False)
        else:
            answer = UserInfoAnswer(
                success=True,
                message="User found",
                user_found=True,
                discord_id=account.discord_id,
                email=account.email,
                created_at=account.created_at,
                updated_at=account.updated_at,
            )
        return _answer(answer)

    async def event_notify(self, request: web.Request) -> web.Response:
        """Take an event; a repeated Idempotency-Key is taken once."""
        notice = await _decode(request, EventNotice)

        async def take(billing: Billing) -> web.Response:
            await billing.add_event(notice)
            return _answer(EventAnswer(success=True, message="Event received", event_received=True))

        return await self._once(request, take)

    async def subscription_info(self, request: web.Request) -> web.Response:
        """Tell a customer's subscription."""
        about = await _decode(request, AboutUser)
        async with self._books.billing() as billing:
            record = await billing.subscription_record(about.discord_id)
        message = "No active subscription" if record is None else "Subscription found"
        return _answer(
            SubscriptionAnswer(
                success=True,
                message=message,
                has_subscription=record is not None,
                subscription=record,
            )
        )

    async def invoices(self, request: web.Request) -> web.Response:
        """Tell a customer's newest invoices."""
        query = await _decode(request, InvoicesQuery)
        async with self._books.billing() as billing:
            records = await billing.list_invoices(query.discord_id, limit=query.limit)
        message = f"{len(records)} invoice(s) found"
        return _answer(InvoicesAnswer(success=True, message=message, invoices=records))

    async def refund(self, request: web.Request) -> web.Response:
        """Refund a payment; a repeated Idempotency-Key refunds once."""
        order = await _decode(request, RefundOrder)

        async def give_back(billing: Billing) -> web.Response:
            try:
                refund_id, amount = await billing.refund(order)
            except BillingError as refusal:
                return _json(500, {"detail": str(refusal)})
            return _answer(
                RefundAnswer(
                    success=True,
                    message="Refund processed successfully",
                    refunded=True,
                    refund_id=refund_id,
                    amount_refunded=amount,
                )
            )

        return await self._once(request, give_back)

    async def _once(
        self, request: web.Request, act: Callable[[Billing], Awaitable[web.Response]]
    ) -> web.Response:
        """Do `act` in a transaction, or answer as before when its Idempotency-Key is known."""
        key = request.headers.get("Idempotency-Key")
        asked = json.dumps(await request.json(), sort_keys=True)
        async with self._books.connection() as connection:
            kept = key and await find_answer(connection, endpoint=request.path, key=key)
            if kept:
                return _replay(kept, asked=asked)
            response = await act(self._books.billing_on(connection))
            if key:
                await keep_answer(
                    connection,
                    endpoint=request.path,
                    key=key,
                    kept=KeptAnswer(request=asked, status=response.status, body=_bytes(response)),
                )
        return response


async def _decode(request: web.Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as problem:
        body = json.dumps({"detail": str(problem)})
        raise web.HTTPUnprocessableEntity(text=body, content_type="application/json") from None


def _replay(kept: KeptAnswer, *, asked: str) -> web.Response:
    if kept.request != asked:
        return _json(422, {"detail": "Idempotency-Key reused with a different body"})
    response = web.Response(status=kept.status, body=kept.body, content_type="application/json")
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _bytes(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


def _answer(answer: msgspec.Struct) -> web.Response:
    body = msgspec.json.encode(answer)
    return web.Response(body=body, content_type="application/json")


def _json(status: int, value: object) -> web.Response:
    body = msgspec.json.encode(value)
    return web.Response(status=status, body=body, content_type="application/json")


def _error(status: int, text: str) -> web.Response:
    response = _json(status, {"error": text})
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    response.force_close()
    return response

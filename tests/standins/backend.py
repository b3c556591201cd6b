"""The website backend over a real socket: fixed data, and every call written down."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

SECRET = "shared-secret-of-the-tests"

SUBSCRIPTION = {
    "subscription_id": "sub_1",
    "customer_id": "cus_1",
    "status": "active",
    "subscription_type": "monthly",
    "current_period_start": "2026-01-01T00:00:00Z",
    "current_period_end": "2036-02-01T00:00:00Z",
    "cancel_at_period_end": False,
    "amount": 9900,
    "currency": "eur",
}
INVOICE = {
    "invoice_id": "in_1",
    "amount": 9900,
    "currency": "eur",
    "status": "paid",
    "created": "2026-01-01T00:00:00Z",
    "invoice_pdf": "https://invoices.example.org/in_1.pdf",
}
_DONE = {"success": True, "message": "OK"}
# Section 3 of the wire contract.
ANSWERS: dict[tuple[str, str], dict[str, Any]] = {
    ("GET", "/internal/health"): {
        "status": "healthy",
        "service": "website-backend",
        "version": "1.0.0",
    },
    ("POST", "/internal/user/info"): {
        **_DONE,
        "user_found": True,
        "discord_id": "1",
        "email": "customer@example.org",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    },
    ("POST", "/internal/event/notify"): {**_DONE, "event_received": True},
    ("POST", "/internal/subscription/info"): {
        **_DONE,
        "has_subscription": True,
        "subscription": SUBSCRIPTION,
    },
    ("POST", "/internal/subscription/invoices"): {**_DONE, "invoices": [INVOICE]},
    ("POST", "/internal/subscription/refund"): {
        **_DONE,
        "refunded": True,
        "refund_id": "re_1",
        "amount_refunded": 9900,
    },
}


@dataclass(eq=False)
class BackendCall:
    """One call as it came in, without its secret; ``status`` is what it was answered."""

    method: str
    path: str
    headers: dict[str, str]
    json: Any = None
    status: int = 200


@dataclass(eq=False)
class BackendStandin:
    """Serves section 3 of the wire contract on 127.0.0.1; ``answers`` may be changed."""

    secret: str = SECRET
    answers: dict[tuple[str, str], dict[str, Any]] = field(default_factory=lambda: dict(ANSWERS))
    calls: list[BackendCall] = field(default_factory=list)
    url: str = ""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def calls_to(self, path: str) -> list[BackendCall]:
        """The calls so far to this path."""
        return [call for call in self.calls if call.path == path]

    async def _handle(self, request: web.Request) -> web.Response:
        headers = {name: text for name, text in request.headers.items() if name != "Authorization"}
        body = await request.json() if request.can_read_body else None
        call = BackendCall(request.method, request.path, headers, body)
        self.calls.append(call)
        call.status, answer = self._answer(request)
        return web.json_response(answer, status=call.status)

    def _answer(self, request: web.Request) -> tuple[int, dict[str, Any]]:
        given = request.headers.get("Authorization")
        if given is None:
            return 401, {"error": "Missing Authorization header"}
        if not hmac.compare_digest(given.encode(), f"Bearer {self.secret}".encode()):
            return 403, {"error": "Invalid internal API secret"}
        answer = self.answers.get((request.method, request.path))
        if answer is None:
            return 404, {"detail": "Not Found"}
        return 200, answer

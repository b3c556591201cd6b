"""What Moddy is compared with: FastAPI in a thread beside the bot, as teams usually write it.

uvicorn (with uvloop and httptools, access log off) serves in a thread with a loop of its own; a
handler crosses to the bot's loop with `run_coroutine_threadsafe`. Nothing is stored, no request
is logged and no repeated one is noticed.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

BEARER = HTTPBearer()
# Tells a user on Discord; runs on the bot's loop.
Notify = Callable[["NotifyRequest"], Awaitable[None]]


class Action(StrEnum):
    """What happened to a customer's subscription."""

    SUBSCRIPTION_CREATED = "subscription_created"
    SUBSCRIPTION_UPDATED = "subscription_updated"
    SUBSCRIPTION_CANCELLED = "subscription_cancelled"
    PLAN_UPGRADED = "plan_upgraded"
    PLAN_DOWNGRADED = "plan_downgraded"


class NotifyRequest(BaseModel):
    """``POST /internal/notify``."""

    discord_id: Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]
    action: Action
    plan: str | None = None
    metadata: dict[str, Any] | None = None


class NotifyResponse(BaseModel):
    """Its answer."""

    success: bool
    message: str
    notification_sent: bool


class HealthResponse(BaseModel):
    """``GET /internal/health``."""

    status: str
    service: str
    version: str


def make_api(
    secret: str, loop: asyncio.AbstractEventLoop, *, notify: Notify, is_ready: Callable[[], bool]
) -> FastAPI:
    """Return the API; `notify` is called on the bot's `loop`."""
    app = FastAPI()

    async def authenticate(
        given: Annotated[HTTPAuthorizationCredentials, Depends(BEARER)],
    ) -> None:
        if not secrets.compare_digest(given.credentials, secret):
            raise HTTPException(403, "Invalid internal API secret")

    async def send(request: NotifyRequest) -> NotifyResponse:
        await notify(request)
        return NotifyResponse(
            success=True, message="User notified successfully", notification_sent=True
        )

    async def read_health() -> HealthResponse:
        status = "healthy" if is_ready() else "unhealthy"
        return HealthResponse(status=status, service="discord-bot", version="1.0.0")

    @app.post("/internal/notify", dependencies=[Depends(authenticate)])
    async def notify_user(request: NotifyRequest) -> NotifyResponse:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(send(request), loop))

    @app.get("/internal/health", dependencies=[Depends(authenticate)])
    async def health() -> HealthResponse:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(read_health(), loop))

    return app


def serve_in_thread(app: FastAPI, port: int) -> None:
    """Serve until the process ends."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, access_log=False, log_level="warning", lifespan="off"
    )
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, name="api", daemon=True).start()

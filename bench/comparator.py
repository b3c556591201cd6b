"""What Moddy is compared with: FastAPI in a thread beside the bot, as teams usually write it.

uvicorn (with uvloop and httptools, access log off) serves in a thread with a loop of its own; a
handler crosses to the bot's loop with `run_coroutine_threadsafe`. Around it is what Moddy does for
each request as well, with the means that teams take for it: a request id, a line of JSON in the
log, a counter and a histogram of prometheus_client. Nothing is stored and no repeated request is
noticed. The lean one does without all that: its handlers alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import Counter, Histogram
from pydantic import BaseModel, Field
from starlette.middleware.base import RequestResponseEndpoint

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
    secret: str,
    loop: asyncio.AbstractEventLoop,
    *,
    notify: Notify,
    is_ready: Callable[[], bool],
    lean: bool = False,
) -> FastAPI:
    """Return the API; `notify` is called on the bot's `loop`."""
    app = FastAPI()
    if not lean:
        observe_requests(app)

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


class JsonFormatter(logging.Formatter):
    """One line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json.dumps(
            {
                "timestamp": self.formatTime(record),
                "level": record.levelname.lower(),
                "message": record.getMessage(),
                **getattr(record, "fields", {}),
            }
        )


def observe_requests(app: FastAPI) -> None:
    """Give each request an id, a log line and its place in the metrics."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    log = logging.getLogger("api")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    requests = Counter("http_requests", "Answered requests", ["method", "path", "status"])
    durations = Histogram("http_request_seconds", "Seconds to the answer", ["path"])

    @app.middleware("http")
    async def observe(request: Request, call_next: RequestResponseEndpoint) -> Response:
        started = time.perf_counter()
        request_id = request.headers.get("X-Request-ID") or uuid.uuid4().hex
        response = await call_next(request)
        response.headers["X-Request-ID"] = request_id
        seconds, path = time.perf_counter() - started, request.url.path
        requests.labels(request.method, path, response.status_code).inc()
        durations.labels(path).observe(seconds)
        fields = {
            "method": request.method,
            "path": path,
            "status": response.status_code,
            "milliseconds": round(seconds * 1000, 1),
            "request_id": request_id,
        }
        log.info("request", extra={"fields": fields})
        return response


def serve_in_thread(app: FastAPI, port: int) -> None:
    """Serve until the process ends."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, access_log=False, log_level="warning", lifespan="off"
    )
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, name="api", daemon=True).start()

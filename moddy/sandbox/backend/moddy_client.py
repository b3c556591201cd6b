"""The backend's client of Moddy's internal API, and its record of what was said."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from moddy.sandbox.backend.signatures import sign

# As the real backend's httpx client has it.
TIMEOUT = aiohttp.ClientTimeout(total=10)
KEPT_EXCHANGES = 50


class Exchange(Struct, frozen=True, kw_only=True):
    """One request to Moddy and its answer; `status` is None when there was no answer.

    `milliseconds` is the time it took, `headers` those worth seeing, `error` what went wrong
    on the way.
    """

    number: int
    at: datetime
    method: str
    path: str
    request: Any
    status: int | None
    milliseconds: int
    answer: Any
    headers: Mapping[str, str] = {}
    error: str | None = None


class ModdyClient:
    """Calls Moddy as the website backend does: bearer secret, 10 s, no retries.

    With `signing_secrets` each call is signed as well. `base_url` may be set later, when Moddy
    has told where it listens.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        secret: str,
        signing_secrets: Sequence[str] = (),
        base_url: URL | None = None,
    ) -> None:
        self._session = session
        self._secret = secret
        self._signing_secrets = signing_secrets
        self._count = 0
        self.base_url = base_url
        self.exchanges: deque[Exchange] = deque(maxlen=KEPT_EXCHANGES)

    async def health(self) -> Exchange:
        """``GET /internal/health``."""
        return await self._call("GET", "/internal/health", None)

    async def notify(
        self, discord_id: str, action: str, *, plan: str | None, metadata: Mapping[str, Any]
    ) -> Exchange:
        """``POST /internal/notify``."""
        body = {
            "discord_id": discord_id,
            "action": action,
            "plan": plan,
            "metadata": dict(metadata),
        }
        return await self._call("POST", "/internal/notify", body)

    async def update_roles(
        self,
        discord_id: str,
        plan: str,
        *,
        add_roles: Sequence[str] | None = None,
        remove_roles: Sequence[str] | None = None,
    ) -> Exchange:
        """``POST /internal/roles/update``."""
        body = {
            "discord_id": discord_id,
            "plan": plan,
            "add_roles": add_roles,
            "remove_roles": remove_roles,
        }
        return await self._call("POST", "/internal/roles/update", body)

    async def _call(self, method: str, path: str, body: object) -> Exchange:
        started, at = time.perf_counter(), datetime.now(UTC)
        status, answer, error = None, None, None
        headers: dict[str, str] = {}
        # What is signed are the very bytes that are sent.
        content = b"" if body is None else msgspec.json.encode(body)
        try:
            if self.base_url is None:
                raise aiohttp.ClientConnectionError("Moddy is not up yet")
            async with self._session.request(
                method,
                self.base_url.join(URL(path)),
                data=content or None,
                headers=self._headers(content),
                timeout=TIMEOUT,
            ) as response:
                status, answer = response.status, _read(await response.read())
                headers = {
                    name: response.headers[name]
                    for name in ("X-Request-ID", "Idempotent-Replayed", "Retry-After")
                    if name in response.headers
                }
        except TimeoutError:
            error = "No answer within 10 s"
        except aiohttp.ClientError as problem:
            error = f"No answer: {type(problem).__name__}"
        self._count += 1
        exchange = Exchange(
            number=self._count,
            at=at,
            method=method,
            path=path,
            request=body,
            status=status,
            milliseconds=round((time.perf_counter() - started) * 1000),
            answer=answer,
            headers=headers,
            error=error,
        )
        self.exchanges.appendleft(exchange)
        return exchange

    def _headers(self, content: bytes) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._secret}"}
        if content:
            headers["Content-Type"] = "application/json"
        return headers | sign(self._signing_secrets, content)


def _read(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body.decode("utf-8", "replace")

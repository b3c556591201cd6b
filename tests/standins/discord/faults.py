"""Faults that a test orders for chosen REST calls."""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tests.standins.discord.errors import message_of

_STATUS_MESSAGES = {
    400: "400: Bad Request",
    401: "401: Unauthorized",
    403: "403: Forbidden",
    404: "404: Not Found",
    500: "500: Internal Server Error",
    502: "502: Bad Gateway",
    503: "upstream connect error or disconnect/reset before headers",
}


@dataclass(eq=False)
class Fault:
    """One ordered fault; ``hits`` counts how often it struck.

    ``path`` is a glob over the path after ``/api/v10``, in which ``*`` also matches slashes.
    ``apply`` does what the call asked for before the answer is spoiled. ``cloudflare`` makes
    the answer one of the proxy in front of Discord: HTML, and without the ``Via`` header.

    ``drop`` closes the connection without an answer. aiohttp repeats a GET, PUT or DELETE by
    itself when that happens on a connection it had used before, so for those calls a bot
    notices only ``times=2``.
    """

    method: str
    path: str
    status: int | None = None
    code: int = 0
    message: str | None = None
    retry_after: float | None = None
    global_limit: bool = False
    times: int | None = 1
    delay: float = 0.0
    drop: bool = False
    apply: bool = False
    cloudflare: bool = False
    hits: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether this call is one to spoil."""
        if self.times is not None and self.hits >= self.times:
            return False
        return self.method in ("*", method) and fnmatchcase(path, self.path)

    @property
    def spoils_answer(self) -> bool:
        """Whether the caller gets something else than the real answer."""
        return self.drop or self.status is not None

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of the spoiled answer."""
        if self.status == 429:
            return {
                "message": self.message or "You are being rate limited.",
                "retry_after": self.retry_after or 0.0,
                "global": self.global_limit,
                **({"code": self.code} if self.code else {}),
            }
        text = self.message or message_of(self.code) or _STATUS_MESSAGES.get(self.status or 0)
        return {"message": text or f"{self.status}: Error", "code": self.code}

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with the spoiled answer."""
        if self.status != 429:
            return {}
        headers = {
            "Retry-After": str(math.ceil(self.retry_after or 0.0)),
            "X-RateLimit-Scope": "global" if self.global_limit else "shared",
        }
        if self.global_limit:
            headers["X-RateLimit-Global"] = "true"
        return headers


class Faults:
    """The faults that are ordered now; the oldest one that fits a call strikes."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(
        self,
        method: str = "*",
        path: str = "*",
        *,
        status: int | None = None,
        code: int = 0,
        message: str | None = None,
        retry_after: float | None = None,
        global_limit: bool = False,
        times: int | None = 1,
        delay: float = 0.0,
        drop: bool = False,
        apply: bool = False,
        cloudflare: bool = False,
    ) -> Fault:
        """Order a fault for the next ``times`` calls that fit, or for all with ``times=None``."""
        fault = Fault(
            method=method,
            path=path,
            status=status,
            code=code,
            message=message,
            retry_after=retry_after,
            global_limit=global_limit,
            times=times,
            delay=delay,
            drop=drop,
            apply=apply,
            cloudflare=cloudflare,
        )
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this call."""
        for fault in self._faults:
            if fault.matches(method, path):
                fault.hits += 1
                return fault
        return None

"""Request ids: one id that every log line and every call on behalf of a request carries.

`moddy.web.dispatch`, a command or a task sets `current_request_id`; `moddy.backend` sends it on.
"""

from __future__ import annotations

from contextvars import ContextVar
from secrets import token_hex

current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)


def new_request_id() -> str:
    """Return a new id: 32 hexadecimal digits, so it fits ``[A-Za-z0-9._-]{1,64}``."""
    return token_hex(16)

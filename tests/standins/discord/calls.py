"""REST calls as the routes see them and as tests read them back."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(eq=False)
class Call:
    """One REST call; ``path`` is the part after ``/api/v10``.

    ``status`` stays None while the call hangs and when its connection was dropped. The
    Authorization header is never kept.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    json: Any = None
    malformed: bool = False
    files: list[str] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    time: float = field(default_factory=time.time)
    answered_at: float | None = None

    def __getitem__(self, name: str) -> str:
        """A parameter of the path."""
        return self.parameters[name]

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object that was sent, empty when there was none."""
        return self.json if isinstance(self.json, dict) else {}


class Answer(NamedTuple):
    """What a route answers; a body of None is sent as no content."""

    status: int
    body: Any = None


class Route(NamedTuple):
    """A path with ``{parameters}``; ``needs_token`` is False where the path has its own token."""

    method: str
    path: str
    handle: Callable[[Call], Answer]
    needs_token: bool = True

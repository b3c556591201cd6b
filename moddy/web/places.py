"""How many requests may be in hand at once."""

from __future__ import annotations

from types import TracebackType

from moddy.web.refusals import overloaded


class Places:
    """Places for requests in hand: each takes one, as a context manager, and nobody waits for one.

    Raises:
        Refusal: 503 with ``Retry-After``, on entering while all `limit` are taken.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.taken = 0

    def __enter__(self) -> None:
        if self.taken >= self._limit:
            raise overloaded()
        self.taken += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.taken -= 1

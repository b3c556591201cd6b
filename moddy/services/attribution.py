"""Who and what caused a member's event: Discord tells it apart from the event, in any order.

That a member left, or has other roles, comes as one event of the gateway; the entry of the audit
log with the reason and the author as another one, before it, after it, or never. So such an event
waits a moment for its entry, and an entry for its event. Nothing here blocks anybody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Generic, TypeVar

from msgspec import Struct, structs

from moddy.models import EventType, Snowflake
from moddy.services.occurrences import Occurrence, RoleChange

T = TypeVar("T")

# Seconds that an event waits for its entry, and an entry for its event. Both usually come within
# a few hundred milliseconds; between the two may lie a resume of the connection.
PATIENCE = 2.0
MEMORY = 10.0
# Seconds in which a prune, whose entry names nobody, may be behind any departure.
PRUNE_MEMORY = 600.0
# Beyond so many, events no longer wait and the oldest entries are forgotten.
MAX_WAITING = 10_000


class Departure(Enum):
    """Why a member left, as the backend is told it."""

    KICK = "kick"
    BAN = "ban"
    LEFT = "left"


class _Held(Struct, kw_only=True):
    """An event in a user's queue; it leaves at `deadline`, and not before those in front of it.

    `otherwise` is the reason of a departure for which no entry has come by then.
    """

    occurrence: Occurrence
    deadline: float
    change: RoleChange | None = None
    otherwise: Departure | None = None


class _Remembered(Generic[T]):
    """What was heard of users lately; forgotten after `MEMORY`."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._by_user: dict[Snowflake, deque[tuple[float, T]]] = {}
        # In the order of being forgotten; what is taken earlier stays in here until then.
        self._order: deque[tuple[float, Snowflake]] = deque()

    def add(self, user_id: Snowflake, what: T) -> None:
        until = self._monotonic() + MEMORY
        self._by_user.setdefault(user_id, deque()).append((until, what))
        self._order.append((until, user_id))
        self.forget_old()

    def take(self, user_id: Snowflake, fits: Callable[[T], bool] = lambda _: True) -> T | None:
        """Return the oldest that fits, and forget it."""
        self.forget_old()
        entries = self._by_user.get(user_id, ())
        entry = next((entry for entry in entries if fits(entry[1])), None)
        if entry is None:
            return None
        self._by_user[user_id].remove(entry)
        if not self._by_user[user_id]:
            del self._by_user[user_id]
        return entry[1]

    def forget(self, user_id: Snowflake) -> None:
        """Forget everything about a user."""
        self._by_user.pop(user_id, None)

    def forget_old(self) -> None:
        """Forget what is too old, or too much."""
        now = self._monotonic()
        while self._order and (self._order[0][0] <= now or len(self._order) > MAX_WAITING):
            until, user_id = self._order.popleft()
            entries = self._by_user.get(user_id)
            while entries and entries[0][0] <= until:
                entries.popleft()
            if not entries:
                self.forget(user_id)


class Attribution:
    """Passes members' events on to `emit`, in each user's order, with who and what caused them.

    `wake` is called when something waits; `settle` is then to be called until it says that
    nothing does. `monotonic` measures seconds.
    """

    def __init__(
        self,
        *,
        emit: Callable[[Occurrence], None],
        wake: Callable[[], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._emit = emit
        self._wake = wake
        self._monotonic = monotonic
        self._queues: dict[Snowflake, deque[_Held]] = {}
        self._waiting = 0
        self._reasons = _Remembered[Departure](monotonic)
        self._told_changes = _Remembered[RoleChange](monotonic)
        self._prune_over = float("-inf")

    def joined(self, occurrence: Occurrence) -> None:
        """Take a ``member_joined``. What was heard before is not about a later departure."""
        self._reasons.forget(occurrence.user_id)
        self._add(_Held(occurrence=occurrence, deadline=self._monotonic()))

    def departed(
        self, occurrence: Occurrence, *, patient: bool, otherwise: Departure | None
    ) -> None:
        """Take a ``member_left``.

        With `patient`, Discord tells of kicks or bans here, so it waits for that; without an
        entry the reason is `otherwise`, or is left out.
        """
        reason = self._reasons.take(occurrence.user_id)
        if reason is not None:
            occurrence = _with_reason(occurrence, reason)
        wait = PATIENCE if patient and reason is None else 0.0
        is_pruning = self._monotonic() < self._prune_over
        self._add(
            _Held(
                occurrence=occurrence,
                deadline=self._monotonic() + wait,
                otherwise=None if reason is not None or is_pruning else otherwise,
            )
        )

    def explain_departure(self, user_id: Snowflake, reason: Departure) -> None:
        """Take Discord's word on why a member left or is about to leave."""
        for held in self._queues.get(user_id, ()):
            if held.occurrence.event_type is EventType.MEMBER_LEFT and self._is_waiting(held):
                held.occurrence = _with_reason(held.occurrence, reason)
                held.otherwise = None
                self._release(held)
                return
        self._reasons.add(user_id, reason)

    def note_prune(self) -> None:
        """Take an entry that says that members are removed, without naming them."""
        self._prune_over = self._monotonic() + PRUNE_MEMORY
        self.doubt()

    def doubt(self) -> None:
        """Let no waiting departure count as voluntary: its entry may have been missed."""
        for queue in self._queues.values():
            for held in queue:
                held.otherwise = None

    def roles_changed(self, occurrence: Occurrence, change: RoleChange, *, patient: bool) -> None:
        """Take a ``role_updated`` whose author is not known; `patient`: an entry should come."""
        if self._told_changes.take(occurrence.user_id, lambda told: told == change) is not None:
            return
        wait = PATIENCE if patient else 0.0
        deadline = self._monotonic() + wait
        self._add(_Held(occurrence=occurrence, deadline=deadline, change=change))

    def explain_change(self, occurrence: Occurrence, change: RoleChange) -> None:
        """Take the ``role_updated`` that an entry of the audit log makes by itself."""
        for held in self._queues.get(occurrence.user_id, ()):
            if held.change == change and self._is_waiting(held):
                held.occurrence = occurrence
                self._release(held)
                return
        self._told_changes.add(occurrence.user_id, change)
        self._add(_Held(occurrence=occurrence, deadline=self._monotonic()))

    def settle(self, *, at_once: bool = False) -> bool:
        """Pass on whatever has waited long enough, or all of it; returns whether something waits.

        What has not had its time is passed on without what it waited for.
        """
        if at_once:
            self.doubt()
        for user_id in list(self._queues):
            self._pass_on(user_id, at_once=at_once)
        return bool(self._queues)

    def _add(self, held: _Held) -> None:
        user_id = held.occurrence.user_id
        if self._waiting >= MAX_WAITING:
            held.deadline = self._monotonic()
            held.otherwise = None
        queue = self._queues.setdefault(user_id, deque())
        queue.append(held)
        self._waiting += 1
        self._pass_on(user_id)
        if user_id in self._queues:
            self._wake()

    def _release(self, held: _Held) -> None:
        held.deadline = self._monotonic()
        self._pass_on(held.occurrence.user_id)

    def _is_waiting(self, held: _Held) -> bool:
        return held.deadline > self._monotonic()

    def _pass_on(self, user_id: Snowflake, *, at_once: bool = False) -> None:
        queue = self._queues[user_id]
        while queue and (at_once or not self._is_waiting(queue[0])):
            held = queue.popleft()
            self._waiting -= 1
            occurrence = held.occurrence
            if held.otherwise is not None:
                occurrence = _with_reason(occurrence, held.otherwise)
            self._emit(occurrence)
        if not queue:
            del self._queues[user_id]


def _with_reason(occurrence: Occurrence, reason: Departure) -> Occurrence:
    metadata = {**occurrence.metadata, "reason": reason.value}
    return structs.replace(occurrence, metadata=metadata)

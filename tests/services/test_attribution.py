"""Events of members and what Discord's audit log says of them, in any order and with gaps."""

from __future__ import annotations

from itertools import permutations

import pytest

from moddy.models import EventType, Snowflake
from moddy.services.attribution import (
    MAX_WAITING,
    MEMORY,
    PATIENCE,
    PRUNE_MEMORY,
    Attribution,
    Departure,
)
from moddy.services.occurrences import JSON, Occurrence, RoleChange
from tests.fakes import START
from tests.services.stage import ADA, BEN, OTHER_ROLE, PREMIUM_ROLE

GIVEN = RoleChange(added=frozenset({PREMIUM_ROLE}), removed=frozenset())
TAKEN = RoleChange(added=frozenset(), removed=frozenset({PREMIUM_ROLE}))
OTHER = RoleChange(added=frozenset({OTHER_ROLE}), removed=frozenset())


class Log:
    """An attribution with a clock that is told; `told` is what it has passed on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[Occurrence] = []
        self.woken = 0
        self.attribution = Attribution(
            emit=self.told.append, wake=self._wake, monotonic=lambda: self.now
        )

    def _wake(self) -> None:
        self.woken += 1

    def pass_time(self, seconds: float) -> bool:
        self.now += seconds
        return self.attribution.settle()

    def join(self, user_id: Snowflake = ADA) -> None:
        self.attribution.joined(event(EventType.MEMBER_JOINED, user_id))

    def leave(
        self,
        user_id: Snowflake = ADA,
        *,
        patient: bool = True,
        otherwise: Departure | None = Departure.LEFT,
    ) -> None:
        self.attribution.departed(
            event(EventType.MEMBER_LEFT, user_id), patient=patient, otherwise=otherwise
        )

    def change(self, change: RoleChange, user_id: Snowflake = ADA, *, patient: bool = True) -> None:
        occurrence = event(EventType.ROLE_UPDATED, user_id, **change.metadata)
        self.attribution.roles_changed(occurrence, change, patient=patient)

    def explain(self, change: RoleChange, by: str, user_id: Snowflake = ADA) -> None:
        occurrence = event(EventType.ROLE_UPDATED, user_id, updated_by=by, **change.metadata)
        self.attribution.explain_change(occurrence, change)

    @property
    def kinds(self) -> list[str]:
        return [occurrence.event_type.value for occurrence in self.told]

    @property
    def reasons(self) -> list[str | None]:
        return [
            occurrence.metadata.get("reason")
            for occurrence in self.told
            if occurrence.event_type is EventType.MEMBER_LEFT
        ]

    @property
    def authors(self) -> list[str | None]:
        return [
            occurrence.metadata.get("updated_by")
            for occurrence in self.told
            if occurrence.event_type is EventType.ROLE_UPDATED
        ]


def event(event_type: EventType, user_id: Snowflake, **metadata: JSON) -> Occurrence:
    return Occurrence(event_type=event_type, user_id=user_id, metadata=metadata, seen_at=START)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.mark.parametrize("reason", [Departure.KICK, Departure.BAN])
@pytest.mark.parametrize("entry_first", [True, False])
def test_reason_of_a_departure_in_either_order(
    log: Log, reason: Departure, entry_first: bool
) -> None:
    if entry_first:
        log.attribution.explain_departure(ADA, reason)
        log.leave()
    else:
        log.leave()
        assert log.told == []
        assert log.woken == 1
        log.attribution.explain_departure(ADA, reason)
    assert log.reasons == [reason.value]
    assert not log.pass_time(PATIENCE)
    assert len(log.told) == 1


def test_departure_without_entry_is_voluntary_after_a_while(log: Log) -> None:
    log.leave()
    assert log.pass_time(PATIENCE - 0.1)
    assert log.told == []
    assert not log.pass_time(0.1)
    assert log.reasons == ["left"]


def test_nothing_is_said_without_the_permission(log: Log) -> None:
    log.leave(patient=False, otherwise=None)
    assert log.reasons == [None]
    # Who may ban is told of bans, and of nothing else.
    log.leave(BEN, otherwise=None)
    log.pass_time(PATIENCE)
    assert log.reasons == [None, None]


def test_nothing_is_said_when_an_entry_may_have_been_missed(log: Log) -> None:
    log.leave()
    log.attribution.doubt()
    log.pass_time(PATIENCE)
    log.leave(BEN)
    log.attribution.doubt()
    log.attribution.explain_departure(BEN, Departure.KICK)
    assert log.reasons == [None, "kick"]


@pytest.mark.parametrize("entry_first", [True, False])
def test_prune_names_nobody(log: Log, entry_first: bool) -> None:
    if entry_first:
        log.attribution.note_prune()
    log.leave()
    if not entry_first:
        log.attribution.note_prune()
    log.pass_time(PATIENCE)
    assert log.reasons == [None]
    log.pass_time(PRUNE_MEMORY)
    log.leave(BEN)
    log.pass_time(PATIENCE)
    assert log.reasons == [None, "left"]


def test_entry_is_about_one_departure(log: Log) -> None:
    log.attribution.explain_departure(ADA, Departure.KICK)
    log.leave()
    log.join()
    log.leave()
    log.pass_time(PATIENCE)
    assert log.reasons == ["kick", "left"]


def test_word_from_before_an_arrival_is_about_no_later_departure(log: Log) -> None:
    """A ban is told twice, by the gateway and by the audit log."""
    log.leave()
    log.attribution.explain_departure(ADA, Departure.BAN)
    log.attribution.explain_departure(ADA, Departure.BAN)
    log.join()
    log.leave()
    log.pass_time(PATIENCE)
    assert log.reasons == ["ban", "left"]


def test_old_word_is_forgotten(log: Log) -> None:
    log.attribution.explain_departure(ADA, Departure.KICK)
    log.pass_time(MEMORY)
    log.leave()
    log.pass_time(PATIENCE)
    assert log.reasons == ["left"]


def test_order_of_a_member_is_kept_while_something_waits(log: Log) -> None:
    log.leave()
    log.join()
    log.change(GIVEN)
    log.join(BEN)
    assert log.kinds == ["member_joined"]
    log.pass_time(PATIENCE)
    assert log.kinds == ["member_joined", "member_left", "member_joined", "role_updated"]


@pytest.mark.parametrize("patient", [True, False])
def test_author_of_a_change_that_came_first(log: Log, patient: bool) -> None:
    log.change(GIVEN, patient=patient)
    log.explain(GIVEN, "author")
    # Without the permission there is no entry to wait for; one that comes all the same is
    # told on its own, and the store knows the change.
    assert log.authors == (["author"] if patient else [None, "author"])


def test_entry_that_came_first(log: Log) -> None:
    log.explain(GIVEN, "author")
    log.change(GIVEN)
    log.pass_time(PATIENCE)
    assert log.authors == ["author"]


def test_entry_of_a_member_whom_the_cache_does_not_know(log: Log) -> None:
    log.explain(GIVEN, "author")
    log.pass_time(PATIENCE)
    assert log.authors == ["author"]
    # The same again later is another change.
    log.pass_time(MEMORY)
    log.change(GIVEN)
    log.pass_time(PATIENCE)
    assert log.authors == ["author", None]


def test_change_without_entry(log: Log) -> None:
    """Discord itself gives roles: to boosters, in onboarding."""
    log.change(GIVEN)
    log.pass_time(PATIENCE)
    assert log.authors == [None]


@pytest.mark.parametrize("order", set(permutations("cceec", 5)))
def test_several_changes_and_their_entries(log: Log, order: tuple[str, ...]) -> None:
    """Changes come in order among themselves, entries too; the third change has none."""
    changes = iter((GIVEN, TAKEN, OTHER))
    entries = iter((GIVEN, TAKEN))
    for kind in order:
        if kind == "c":
            log.change(next(changes))
        else:
            log.explain(next(entries), "author")
    log.pass_time(PATIENCE)
    told = [RoleChange.of(occurrence.metadata) for occurrence in log.told]
    assert sorted(told, key=[GIVEN, TAKEN, OTHER].index) == [GIVEN, TAKEN, OTHER]
    assert told.index(GIVEN) < told.index(TAKEN)
    assert dict(zip(told, log.authors, strict=True)) == {
        GIVEN: "author",
        TAKEN: "author",
        OTHER: None,
    }


def test_entries_of_others_are_not_mixed_up(log: Log) -> None:
    log.change(GIVEN)
    log.change(GIVEN, BEN)
    log.explain(OTHER, "one", BEN)
    log.explain(GIVEN, "two", BEN)
    log.pass_time(PATIENCE)
    assert {(one.user_id, one.metadata.get("updated_by")) for one in log.told} == {
        (ADA, None),
        (BEN, "one"),
        (BEN, "two"),
    }


def test_at_the_end_everything_goes_at_once(log: Log) -> None:
    log.leave()
    log.change(GIVEN)
    assert not log.attribution.settle(at_once=True)
    assert log.kinds == ["member_left", "role_updated"]
    assert log.reasons == [None]


def test_what_waits_and_what_is_remembered_is_bounded(log: Log) -> None:
    users = [Snowflake(1000 + n) for n in range(MAX_WAITING + 5)]
    for user_id in users:
        log.leave(user_id)
    assert len(log.told) == 5
    assert log.reasons == [None] * 5
    log.pass_time(PATIENCE)
    assert len(log.told) == len(users)
    for user_id in users:
        log.attribution.explain_departure(user_id, Departure.KICK)
    log.told.clear()
    log.leave(users[0])
    log.leave(users[-1])
    log.pass_time(PATIENCE)
    assert log.reasons == ["kick", "left"]

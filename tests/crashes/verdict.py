"""Whether everything that was acknowledged was done, in order and once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from msgspec import Struct

from moddy.store.database import Database
from moddy.store.deliveries import DeliveryKind, DeliveryState
from moddy.store.tables import deliveries, premium_audit
from moddy.store.transactions import Connection
from tests.crashes.load import ROLES, Request
from tests.standins.discord import DiscordStandin, Guild, Role

KINDS = (DeliveryKind.NOTIFY.value, DeliveryKind.ROLES.value)


class Verdict(Struct, frozen=True, kw_only=True):
    """How many deliveries went wrong in which way; all zero when all is well.

    No faults are `repeated_sends`, messages sent again under the same nonce, which Discord drops,
    and `repeated_calls`, role changes that found the role as asked.
    """

    lost: int
    duplicate_dms: int
    duplicate_changes: int
    uncertain: int
    out_of_order: int
    changed_answers: int = 0
    error_lines: int = 0
    repeated_sends: int = 0
    repeated_calls: int = 0

    @property
    def faults(self) -> int:
        """How much went wrong in all."""
        return (
            self.lost
            + self.duplicate_dms
            + self.duplicate_changes
            + self.uncertain
            + self.out_of_order
            + self.changed_answers
            + self.error_lines
        )


class Row(Struct, frozen=True):
    """What is looked at of a stored delivery."""

    id: str
    kind: str
    user_id: int
    state: str
    key: str


async def judge(
    database: Database,
    discord: DiscordStandin,
    guild: Guild,
    role: Role,
    requests: Sequence[Request],
) -> Verdict:
    """Compare what was asked, all of it acknowledged, with the store and with Discord."""
    rows = await database.read(_read_rows)
    changes = await database.read(_read_changes)
    known = {row.key for row in rows}
    lost = sum(request.key not in known for request in requests)
    finished = {DeliveryState.DELIVERED.value, DeliveryState.REPLACED.value}
    lost += sum(row.state not in finished for row in rows)
    duplicate_dms = duplicate_changes = out_of_order = repeated = 0
    calls = _role_calls(discord)
    for user_id, asked in _by_user(requests).items():
        accepted = [row for row in rows if row.user_id == user_id]
        out_of_order += _count_disorder(accepted, asked)
        notified = [row.id for row in accepted if row.kind == DeliveryKind.NOTIFY.value]
        seen = [str(message.nonce) for message in discord.dms[user_id]]
        lost += len(set(notified) - set(seen))
        duplicate_dms += len(seen) - len(set(seen)) + len(set(seen) - set(notified))
        duplicate_dms += _count_same_texts(discord, user_id)
        out_of_order += list(dict.fromkeys(seen)) != notified
        flips = _flips(request.premium_after for request in asked)
        duplicate_changes += changes[user_id] != flips
        wanted = _flips(request.role_after for request in asked)
        made = _flips(calls[user_id])
        repeated += len(calls[user_id]) - len(made)
        duplicate_changes += max(0, len(made) - len(wanted))
        has_role = role.id in guild.members[user_id].roles
        lost += has_role != (wanted[-1] if wanted else False)
    return Verdict(
        lost=lost,
        duplicate_dms=duplicate_dms,
        duplicate_changes=duplicate_changes,
        uncertain=sum(row.state == DeliveryState.UNCERTAIN.value for row in rows),
        out_of_order=out_of_order,
        repeated_sends=_count_repeated_sends(discord),
        repeated_calls=repeated,
    )


async def _read_rows(connection: Connection) -> list[Row]:
    table = deliveries.c
    # Events for the backend have their own tests: there is none here to take them.
    query = (
        sa.select(table.id, table.kind, table.discord_id, table.state, table.idempotency_key)
        .where(table.kind.in_(KINDS))
        .order_by(table.sequence)
    )
    return [
        Row(row[0], row[1], int(row[2]), row[3], row[4])
        for row in await connection.execute(query)
        if row[4] is not None
    ]


async def _read_changes(connection: Connection) -> dict[int, list[bool]]:
    """Return what the PREMIUM attribute was changed to, by user, in order."""
    table = premium_audit.c
    query = sa.select(table.discord_id, table.new_premium).order_by(table.sequence)
    found: dict[int, list[bool]] = defaultdict(list)
    for user_id, premium in await connection.execute(query):
        found[int(user_id)].append(premium)
    return found


def _by_user(requests: Iterable[Request]) -> dict[int, list[Request]]:
    found: dict[int, list[Request]] = defaultdict(list)
    for request in requests:
        found[request.user_id].append(request)
    return found


def _role_calls(discord: DiscordStandin) -> dict[int, list[bool]]:
    """Return what the role was set to by the calls that reached Discord, by user, in order."""
    found: dict[int, list[bool]] = defaultdict(list)
    for call in discord.requests:
        if call.method in ("PUT", "DELETE") and "/roles/" in call.path:
            found[int(call["user_id"])].append(call.method == "PUT")
    return found


def _count_repeated_sends(discord: DiscordStandin) -> int:
    nonces = [call.body["nonce"] for call in discord.calls("POST", "/messages")]
    return len(nonces) - len(set(nonces))


def _count_disorder(accepted: Sequence[Row], asked: Sequence[Request]) -> int:
    """Tell for each kind whether it was accepted in another order than it was asked in."""
    wrong = 0
    for kind in (DeliveryKind.NOTIFY, DeliveryKind.ROLES):
        stored = [row.key for row in accepted if row.kind == kind.value]
        is_roles = kind is DeliveryKind.ROLES
        wrong += stored != [one.key for one in asked if (one.path == ROLES) == is_roles]
    return wrong


def _count_same_texts(discord: DiscordStandin, user_id: int) -> int:
    """Count messages about the same event beyond the first."""
    lines = Counter(
        line
        for message in discord.dms[user_id]
        for line in message.text.splitlines()
        if "This is about evt" in line
    )
    return sum(count - 1 for count in lines.values())


def _flips(states: Iterable[bool | None]) -> list[bool]:
    """Return the changes that a series of states makes to one that is off at first."""
    current, found = False, []
    for state in states:
        if state is not None and state != current:
            current = state
            found.append(state)
    return found

"""Giving returning members their roles back, in a Discord in memory."""

from __future__ import annotations

from datetime import timedelta

import discord
import pytest
import sqlalchemy as sa
from simcord.actors import MemberActor
from simcord.builders import RoleHandle

from moddy.models import Snowflake, encode
from moddy.modules.restore_roles import Mode, RestoreRolesSettings
from moddy.store import saved_roles
from moddy.store.saved_roles import SavedRoles
from moddy.store.tables import role_grants
from moddy.store.tables import saved_roles as table
from tests.modules.club import Club, text


async def turn_on(club: Club, **settings: object) -> None:
    """Turn the module on and have it learn who has what."""
    given = {"log_channel_id": Snowflake(club.log.id), **settings}
    made = RestoreRolesSettings(**given)  # type: ignore[arg-type]
    await club.save(club.restore_roles, encode(made))
    assert await club.restore_roles.prepare(made, club.bot.guilds[0])


async def find(club: Club, member: MemberActor) -> SavedRoles | None:
    user_id = Snowflake(member.id)
    return await club.database.read(lambda c: saved_roles.find(c, club.guild_id, user_id))


async def leave_and_return(club: Club, member: MemberActor) -> set[int]:
    club.guild.remove_member(member)
    await club.settle()
    club.guild.add_member(member.user)
    await club.settle()
    return club.roles_of(member)


def ids(*roles: RoleHandle) -> set[int]:
    return {role.id for role in roles}


def told(club: Club) -> list[str]:
    return [text(message) for message in club.log.history()]


async def test_a_member_comes_back(club: Club) -> None:
    reader, writer = club.guild.create_role("Reader"), club.guild.create_role("Writer")
    ada = club.add("ada", roles=[reader, writer])
    await turn_on(club)
    assert await leave_and_return(club, ada) == ids(reader, writer)
    [entry] = told(club)
    assert f"<@{ada.id}>" in entry
    assert f"<@&{reader.id}>" in entry
    # What they have now is what they would come back with the next time.
    club.env.backend.remove_member_role(club.guild.id, ada.id, writer.id)
    assert await leave_and_return(club, ada) == ids(reader)


async def test_who_had_nothing_gets_nothing_and_nothing_is_told(club: Club) -> None:
    ada = club.add("ada")
    await turn_on(club)
    assert await leave_and_return(club, ada) == set()
    assert told(club) == []


async def test_the_log_is_in_the_servers_language(club: Club) -> None:
    club.env.backend.edit_guild(club.guild.id, {"preferred_locale": "fr"})
    ada = club.add("ada", roles=[club.guild.create_role("Reader")])
    await turn_on(club)
    await leave_and_return(club, ada)
    assert "est de retour" in told(club)[0]


async def test_what_is_gone_too_high_managed_or_dangerous_is_not_given(club: Club) -> None:
    reader = club.guild.create_role("Reader")
    gone = club.guild.create_role("Gone")
    admin = club.guild.create_role("Admin", permissions=discord.Permissions(ban_members=True))
    high = club.guild.create_role("High", position=50)
    managed = club.guild.create_role("App", managed=True)
    ada = club.add("ada", roles=[reader, gone, admin, high, managed])
    await turn_on(club)
    club.guild.remove_member(ada)
    await club.settle()
    club.env.backend.delete_role(club.guild.id, gone.id)
    club.guild.add_member(ada.user)
    await club.settle()
    assert club.roles_of(ada) == ids(reader)
    [entry] = told(club)
    withheld = entry.partition("Not given back:")[2]
    assert all(f"<@&{role.id}>" in withheld for role in (admin, high, managed))
    assert f"<@&{gone.id}>" not in entry


async def test_dangerous_since_they_left(club: Club) -> None:
    reader = club.guild.create_role("Reader")
    ada = club.add("ada", roles=[reader])
    await turn_on(club)
    club.guild.remove_member(ada)
    await club.settle()
    permissions = discord.Permissions(manage_webhooks=True).value
    club.env.backend.edit_role(club.guild.id, reader.id, {"permissions": permissions})
    club.guild.add_member(ada.user)
    await club.settle()
    assert club.roles_of(ada) == set()


async def test_modes(club: Club) -> None:
    reader = club.guild.create_role("Reader")
    admin = club.guild.create_role("Admin", permissions=discord.Permissions(ban_members=True))
    ada = club.add("ada", roles=[reader, admin])
    await turn_on(club, mode=Mode.ONLY, role_ids=(Snowflake(admin.id),))
    assert await leave_and_return(club, ada) == ids(admin)
    for role in (reader, admin):
        club.env.backend.add_member_role(club.guild.id, ada.id, role.id)
    await turn_on(club, mode=Mode.EXCEPT, role_ids=(Snowflake(reader.id),))
    assert await leave_and_return(club, ada) == set()


async def test_who_leaves_unknown_to_the_cache_has_been_saved_before(club: Club) -> None:
    reader = club.guild.create_role("Reader")
    ada = club.add("ada", roles=[reader])
    await turn_on(club)
    guild = club.bot.guilds[0]
    member = guild.get_member(ada.id)
    assert member is not None
    guild._remove_member(member)
    assert await leave_and_return(club, ada) == ids(reader)


async def test_changes_are_saved_as_they_come(club: Club) -> None:
    reader = club.guild.create_role("Reader")
    ada = club.add("ada")
    await turn_on(club)
    club.env.backend.add_member_role(club.guild.id, ada.id, reader.id)
    await club.settle()
    row = await find(club, ada)
    assert row is not None
    assert row.role_ids == (Snowflake(reader.id),)


async def test_left_while_moddy_was_away(club: Club) -> None:
    reader = club.guild.create_role("Reader")
    ada = club.add("ada", roles=[reader])
    await turn_on(club)
    await club.restart(lambda: club.guild.remove_member(ada))
    club.guild.add_member(ada.user)
    await club.settle()
    assert club.roles_of(ada) == ids(reader)


async def test_left_and_returned_while_moddy_was_away(club: Club) -> None:
    reader = club.guild.create_role("Reader")
    ada = club.add("ada", roles=[reader])
    await turn_on(club)

    def come_and_go() -> None:
        club.guild.remove_member(ada)
        club.guild.add_member(ada.user)

    await club.restart(come_and_go)
    await club.until(lambda: club.roles_of(ada) == ids(reader))


async def test_a_role_taken_while_moddy_was_away_stays_taken(club: Club) -> None:
    reader, writer = club.guild.create_role("Reader"), club.guild.create_role("Writer")
    ada = club.add("ada", roles=[reader, writer])
    await turn_on(club)
    backend, guild_id = club.env.backend, club.guild.id
    await club.restart(lambda: backend.remove_member_role(guild_id, ada.id, writer.id))
    await club.until(lambda: club.bot.guilds[0].chunked)
    while (row := await find(club, ada)) is None or len(row.role_ids) == 2:
        await club.until(lambda: True)
    assert await leave_and_return(club, ada) == ids(reader)


async def test_permission_lost_is_told_with_the_fix_and_made_good(club: Club) -> None:
    reader = club.guild.create_role("Reader")
    ada = club.add("ada", roles=[reader])
    await turn_on(club)
    await club.settle()
    own = next(role for role in club.bot.guilds[0].roles if role.managed)
    before = own.permissions.value
    without = before & ~discord.Permissions(manage_roles=True).value
    club.env.backend.edit_role(club.guild.id, own.id, {"permissions": without})
    assert await leave_and_return(club, ada) == set()
    [entry] = told(club)
    assert "**Manage Roles**" in entry
    assert f"<@&{reader.id}>" in entry.partition("Not given back:")[2]
    # Given anew, the roles come without another departure; other changes do not spoil that.
    other = club.guild.create_role("Other")
    club.env.backend.add_member_role(club.guild.id, ada.id, other.id)
    await club.settle()
    club.env.backend.edit_role(club.guild.id, own.id, {"permissions": before})
    await club.until(lambda: club.roles_of(ada) == ids(reader, other))


async def test_hierarchy_changed_after_the_cache_looked(
    club: Club, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = club.guild.create_role("Reader"), club.guild.create_role("Writer")
    ada = club.add("ada", roles=[reader, writer])
    await turn_on(club)
    path = f"/guilds/{club.guild.id}/members/{ada.id}/roles/{reader.id}"
    club.env.inject_error("PUT", path, status=403, code=50013, message="x")
    assert await leave_and_return(club, ada) == ids(writer)
    assert f"<@&{reader.id}>" in told(club)[0].partition("Not given back:")[2]
    assert "missing_permissions" in capsys.readouterr().out


async def test_a_role_deleted_after_the_cache_looked(club: Club) -> None:
    reader, writer = club.guild.create_role("Reader"), club.guild.create_role("Writer")
    ada = club.add("ada", roles=[reader, writer])
    await turn_on(club)
    path = f"/guilds/{club.guild.id}/members/{ada.id}/roles/{reader.id}"
    club.env.inject_error("PUT", path, status=404, code=10011, message="x")
    assert await leave_and_return(club, ada) == ids(writer)
    assert f"<@&{reader.id}>" not in told(club)[0]


async def test_discord_failing_is_tried_again(club: Club) -> None:
    reader = club.guild.create_role("Reader")
    ada = club.add("ada", roles=[reader])
    await turn_on(club)
    path = f"/guilds/{club.guild.id}/members/{ada.id}/roles/{reader.id}"
    club.env.inject_error("PUT", path, status=503, message="x")
    club.guild.remove_member(ada)
    await club.settle()
    club.guild.add_member(ada.user)
    await club.until(lambda: club.roles_of(ada) == ids(reader))
    await club.until(lambda: len(told(club)) == 1)


async def test_a_lost_log_channel_harms_nothing(
    club: Club, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = club.guild.create_role("Reader")
    ada = club.add("ada", roles=[reader])
    await turn_on(club)
    club.env.backend.delete_channel(club.log.id)
    assert await leave_and_return(club, ada) == ids(reader)
    assert "restored roles not told" in capsys.readouterr().out


async def test_roles_of_the_subscription_are_not_kept(club: Club) -> None:
    reader, paid = club.guild.create_role("Reader"), club.guild.create_role("Premium")
    ada = club.add("ada", roles=[reader, paid])
    grant = {
        "guild_id": club.guild_id,
        "discord_id": str(ada.id),
        "role_id": str(paid.id),
        "granted_at": club.clock.now(),
    }
    await club.database.transaction(lambda c: c.execute(sa.insert(role_grants).values(grant)))
    await turn_on(club)
    assert await leave_and_return(club, ada) == ids(reader)


async def test_who_came_back_long_ago_is_left_alone(club: Club) -> None:
    reader = club.guild.create_role("Reader")
    ada = club.add("ada")
    long_ago = club.clock.now() - timedelta(days=8)
    club.env.backend.get_guild(club.guild.id).members[ada.id].joined_at = long_ago.isoformat()
    guild = club.bot.guilds[0]
    cached = guild.get_member(ada.id)
    assert cached is not None
    guild._remove_member(cached)
    row = SavedRoles(
        guild_id=club.guild_id,
        user_id=Snowflake(ada.id),
        role_ids=(Snowflake(reader.id),),
        saved_at=long_ago - timedelta(days=1),
    )
    await club.database.transaction(lambda c: saved_roles.keep(c, [(row, row.saved_at)]))
    await turn_on(club)
    while (found := await find(club, ada)) is None or found.role_ids:
        await club.until(lambda: True)
    assert club.roles_of(ada) == set()


async def test_turned_off_or_removed_everything_is_forgotten(club: Club) -> None:
    async def count() -> int:
        query = sa.select(sa.func.count()).select_from(table)
        found = await club.database.read(lambda c: c.scalar(query))
        return int(found or 0)

    ada = club.add("ada", roles=[club.guild.create_role("Reader")])
    await turn_on(club)
    await leave_and_return(club, ada)
    assert await count() > 0
    panel = await club.open_panel(club.manager, "restore_roles")
    await club.manager.click(panel, custom_id="config_turn:restore_roles:off")
    assert await count() == 0
    await turn_on(club)
    await leave_and_return(club, ada)
    assert await count() > 0
    club.env.backend.remove_guild(club.guild.id)
    await club.settle()
    assert await count() == 0

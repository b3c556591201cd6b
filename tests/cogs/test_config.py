"""``/config``: who may use it, what it shows, and what it refuses, in a Discord in memory."""

from __future__ import annotations

import discord
import pytest
from simcord.actors import MemberActor

from moddy.models import Snowflake, decoder, encode
from moddy.modules.restore_roles import Mode, RestoreRolesSettings
from moddy.modules.welcome import WelcomeSettings
from tests.modules.club import CHANNEL, LANGUAGES, WEBSITE, Club, components, shown, text


async def restore(club: Club) -> RestoreRolesSettings:
    row = (await club.store.find(club.guild_id))["restore_roles"]
    return decoder(RestoreRolesSettings).decode(row.settings)


def drop_permission(club: Club) -> None:
    club.env.backend.edit_role(club.guild.id, club.manager_role.id, {"permissions": 0})


async def test_the_command_is_for_servers_and_their_managers(club: Club) -> None:
    [command] = club.bot.tree.get_commands()
    payload = command.to_dict(club.bot.tree)
    assert payload["default_member_permissions"] == discord.Permissions(manage_guild=True).value
    assert payload["contexts"] == [0]
    assert payload["integration_types"] == [0]
    assert {one["name"] for one in payload["options"]} == {"modules", "picture"}


@LANGUAGES
async def test_the_overview(club: Club, french: bool) -> None:
    result = await club.speaker(french=french).slash(club.log, "config modules")
    assert result.ephemeral
    overview = shown(result)
    words = ["Bienvenue", "Rôles rendus", "désactivé"] if french else ["Welcome", "Restore", "off"]
    assert all(word in text(overview) for word in words)


@pytest.mark.parametrize(
    "press",
    [
        "config",
        "config_panel:welcome",
        "config_set:welcome:direct_message:true",
        "config_turn:welcome:on",
        "config_form:welcome",
        "config_try:welcome",
    ],
)
@LANGUAGES
async def test_permission_lost_between_panel_and_press(
    *, club: Club, press: str, french: bool
) -> None:
    await club.save(
        club.welcome,
        encode(WelcomeSettings(channel_id=Snowflake(club.channel.id))),
        enabled=False,
    )
    before = await club.store.find(club.guild_id)
    actor = club.speaker(french=french)
    overview = shown(await actor.slash(club.log, "config modules"))
    panel = await club.open_panel(actor, "welcome")
    drop_permission(club)
    await club.settle()
    message = overview if press == "config_panel:welcome" else panel
    result = await actor.click(message, custom_id=press)
    assert result.modal is None
    answer = result.followups[-1] if result.followups else shown(result)
    assert ("Gérer le serveur" if french else "Manage Server") in text(answer)
    assert await club.store.find(club.guild_id) == before
    assert club.channel.history() == []


async def test_permission_lost_while_the_form_is_open(club: Club) -> None:
    panel = await club.open_panel(club.manager, "welcome")
    form = await club.manager.click(panel, custom_id="config_form:welcome")
    drop_permission(club)
    await club.settle()
    await club.manager.submit_modal(form, {"text": "Hi {user}"})
    assert await club.welcome_settings() is None


async def test_the_command_asks_for_the_permission_itself(club: Club) -> None:
    """A server can open the command to everybody in its own settings."""
    role = club.guild.create_role("Everybody")
    ada = club.add("ada", roles=[role])
    command = club.bot.tree.get_command("config")
    assert isinstance(command, discord.app_commands.Group)
    command.default_permissions = None
    await club.bot.tree.sync()
    result = await ada.slash(club.log, "config modules")
    assert "Manage Server" in text(shown(result))


@pytest.mark.parametrize(
    "custom_id",
    [
        "config_panel:nothing",
        "config_panel",
        "config_set:welcome:nothing:true",
        "config_set:welcome:direct_message:maybe",
        "config_set:welcome:channel_id:abc",
        "config_turn:welcome:sideways",
        "config_form:nothing",
        "config_try:nothing:more",
        "config_write:nothing",
    ],
)
async def test_what_nobody_offered_is_out_of_date(club: Club, custom_id: str) -> None:
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.ActionRow(discord.ui.Button(label="Press", custom_id=custom_id)))
    view.stop()
    message = await club.bot.get_partial_messageable(club.log.id).send(view=view)
    result = await club.manager.click(message, label="Press")
    answers = [text(one) for one in result.followups] or [text(shown(result))]
    assert "out of date" in answers[-1]
    assert await club.welcome_settings() is None


@LANGUAGES
async def test_a_command_for_premium_servers(club: Club, french: bool) -> None:
    actor = club.speaker(french=french)
    result = await actor.slash(club.log, "config picture")
    assert result.ephemeral
    locked = shown(result)
    assert ("Réservé aux serveurs premium" if french else "for premium servers") in text(locked)
    assert [one["url"] for one in components(locked) if one.get("url")] == [WEBSITE]
    await club.make_premium(club.owner)
    opened = await actor.slash(club.log, "config picture")
    assert shown(opened).attachments


async def test_choosing_roles(club: Club) -> None:
    owner = MemberActor(club.env, club.guild, club.owner)
    reader = club.guild.create_role("Reader")
    admin = club.guild.create_role("Admin", permissions=discord.Permissions(ban_members=True))
    high = club.guild.create_role("High", position=50)
    app = club.guild.create_role("App", managed=True)
    await club.settle()
    panel = await club.open_panel(owner, "restore_roles")
    panel = shown(await owner.select(panel, ["only"], custom_id="config_set:restore_roles:mode"))
    roles = "config_set:restore_roles:role_ids"
    panel = shown(await owner.select(panel, [reader, high], custom_id=roles))
    assert f"<@&{high.id}> stands above Moddy" in text(panel)
    panel = shown(await owner.select(panel, [reader, app], custom_id=roles))
    assert "belongs to an app" in text(panel)
    assert (await restore(club)).role_ids == ()
    panel = shown(await owner.select(panel, [reader, admin], custom_id=roles))
    assert "not saved" not in text(panel)
    assert set((await restore(club)).role_ids) == {
        Snowflake(reader.id),
        Snowflake(admin.id),
    }
    await owner.click(panel, custom_id="config_turn:restore_roles:on")
    assert await club.is_on("restore_roles")
    club.env.backend.delete_role(club.guild.id, reader.id)
    await club.settle()
    assert "A chosen role is gone" in text(await club.open_panel(owner, "restore_roles"))


async def test_nobody_has_moddy_hand_out_what_they_could_not(club: Club) -> None:
    # New roles come in below; the managers' role stands above this one, then below.
    admin = club.guild.create_role("Admin", permissions=discord.Permissions(ban_members=True))
    await club.settle()
    dangerous = "config_set:restore_roles:dangerous_role_ids"
    panel = await club.open_panel(club.manager, "restore_roles")
    panel = shown(await club.manager.select(panel, [admin], custom_id=dangerous))
    assert (await restore(club)).dangerous_role_ids == (Snowflake(admin.id),)
    panel = shown(await club.manager.select(panel, [], custom_id=dangerous))
    positions = [{"id": admin.id, "position": 2}, {"id": club.manager_role.id, "position": 1}]
    club.env.backend.reorder_roles(club.guild.id, positions)
    await club.settle()
    panel = shown(await club.manager.select(panel, [admin], custom_id=dangerous))
    assert "has powerful permissions" in text(panel)
    assert (await restore(club)).dangerous_role_ids == ()
    # Nor by way of another mode, in which what is listed counts as chosen.
    listed = RestoreRolesSettings(mode=Mode.EXCEPT, role_ids=(Snowflake(admin.id),))
    await club.save(club.restore_roles, encode(listed))
    panel = await club.open_panel(club.manager, "restore_roles")
    panel = shown(
        await club.manager.select(panel, ["only"], custom_id="config_set:restore_roles:mode")
    )
    assert "has powerful permissions" in text(panel)
    # What the owner chose keeps nobody from changing the rest.
    chosen = RestoreRolesSettings(dangerous_role_ids=(Snowflake(admin.id),))
    await club.save(club.restore_roles, encode(chosen))
    panel = shown(
        await club.manager.select(
            panel, [club.log], custom_id="config_set:restore_roles:log_channel_id"
        )
    )
    assert (await restore(club)).log_channel_id == Snowflake(club.log.id)


@LANGUAGES
async def test_moddy_without_manage_roles(club: Club, french: bool) -> None:
    own = next(role for role in club.bot.guilds[0].roles if role.managed)
    without = own.permissions.value & ~discord.Permissions(manage_roles=True).value
    club.env.backend.edit_role(club.guild.id, own.id, {"permissions": without})
    await club.settle()
    actor = club.speaker(french=french)
    panel = await club.open_panel(actor, "restore_roles")
    panel = shown(await actor.click(panel, custom_id="config_turn:restore_roles:on"))
    assert ("**Gérer les rôles**" if french else "**Manage Roles**") in text(panel)
    assert not await club.is_on("restore_roles")


async def test_two_managers_at_once_lose_nothing(club: Club) -> None:
    first = await club.open_panel(club.manager, "welcome")
    second = await club.open_panel(club.french, "welcome")
    await club.manager.select(first, [club.channel], custom_id=CHANNEL)
    await club.french.click(second, custom_id="config_set:welcome:direct_message:true")
    assert await club.welcome_settings() == WelcomeSettings(
        channel_id=Snowflake(club.channel.id), direct_message=True
    )

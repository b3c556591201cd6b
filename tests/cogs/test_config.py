"""``/config``: who may use it, what it shows, and what it refuses, in a Discord in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import discord
import pytest
from simcord.actors import MemberActor
from simcord.results import ResponseMessage

from moddy.models import Snowflake, decoder, encode
from moddy.modules.restore_roles import Mode, RestoreRolesSettings
from moddy.modules.welcome import WelcomeSettings
from moddy.store.database import Database
from tests.modules.club import WEBSITE, Club, components, shown, text

CHANNEL = "config_set:welcome:channel_id"
LANGUAGES = pytest.mark.parametrize("french", [False, True], ids=["en", "fr"])


@pytest.fixture
async def club(database: Database) -> AsyncIterator[Club]:
    club = Club(database)
    async with club.connect():
        yield club


def actor_of(club: Club, french: bool) -> MemberActor:
    return club.french if french else club.manager


async def welcome(club: Club) -> WelcomeSettings | None:
    row = (await club.store.find(club.guild_id)).get("welcome")
    return decoder(WelcomeSettings).decode(row.settings) if row else None


async def restore(club: Club) -> RestoreRolesSettings:
    row = (await club.store.find(club.guild_id))["restore_roles"]
    return decoder(RestoreRolesSettings).decode(row.settings)


async def is_on(club: Club, module: str) -> bool:
    row = (await club.store.find(club.guild_id)).get(module)
    return row is not None and row.enabled


async def write(
    club: Club, actor: MemberActor, panel: ResponseMessage, **texts: str
) -> ResponseMessage:
    form = await actor.click(panel, custom_id="config_form:welcome")
    return shown(await actor.submit_modal(form, texts))


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
    result = await actor_of(club, french).slash(club.log, "config modules")
    assert result.ephemeral
    overview = shown(result)
    words = ["Bienvenue", "Rôles rendus", "désactivé"] if french else ["Welcome", "Restore", "off"]
    assert all(word in text(overview) for word in words)


@LANGUAGES
async def test_setting_up_the_welcome(club: Club, french: bool) -> None:
    actor = actor_of(club, french)
    panel = await club.open_panel(actor, "welcome")
    panel = shown(await actor.click(panel, custom_id="config_turn:welcome:on"))
    refused = "pas été enregistré" if french else "This was not saved"
    assert refused in text(panel)
    assert not await is_on(club, "welcome")
    panel = shown(await actor.select(panel, [club.channel], custom_id=CHANNEL))
    panel = shown(await actor.click(panel, custom_id="config_set:welcome:direct_message:true"))
    panel = await write(
        club,
        actor,
        panel,
        text="  Hi {user}  ",
        colour="8e5bd0",
        image_url="https://a.example/b.png",
    )
    panel = shown(await actor.click(panel, custom_id="config_turn:welcome:on"))
    assert await is_on(club, "welcome")
    assert ("🟢 activé" if french else "🟢 on") in text(panel)
    assert await welcome(club) == WelcomeSettings(
        channel_id=Snowflake(club.channel.id),
        direct_message=True,
        text="Hi {user}",
        colour=0x8E5BD0,
        image_url="https://a.example/b.png",
    )
    panel = shown(await actor.click(panel, custom_id="config_turn:welcome:off"))
    assert not await is_on(club, "welcome")
    overview = shown(await actor.click(panel, custom_id="config"))
    assert "🟢" not in text(overview)


@LANGUAGES
@pytest.mark.parametrize(
    ("texts", "english", "french_words"),
    [
        ({"text": "{name} {} {user}"}, "There are `{user}`", "Il existe `{user}`"),
        ({"image_url": "javascript:x"}, "The image's address", "celles que Discord peut afficher"),
        ({"colour": "reddish"}, "The colour is not one", "Cette couleur"),
    ],
)
async def test_what_is_written_wrongly_is_refused(
    *, club: Club, french: bool, texts: dict[str, str], english: str, french_words: str
) -> None:
    actor = actor_of(club, french)
    panel = await club.open_panel(actor, "welcome")
    panel = await write(club, actor, panel, **{"text": "Fine", **texts})
    assert (french_words if french else english) in text(panel)
    assert await welcome(club) is None


async def test_unknown_placeholders_are_shown_harmlessly(club: Club) -> None:
    panel = await club.open_panel(club.manager, "welcome")
    panel = await write(club, club.manager, panel, text="{@everyone <@1> " + "x" * 300 + "}")
    shown_text = text(panel)
    assert "@everyone" not in shown_text
    assert "x" * 60 not in shown_text


@LANGUAGES
async def test_a_channel_that_moddy_cannot_write_in(club: Club, french: bool) -> None:
    actor = actor_of(club, french)
    club.deny(club.channel, send_messages=True, embed_links=True)
    await club.settle()
    panel = await club.open_panel(actor, "welcome")
    panel = shown(await actor.select(panel, [club.channel], custom_id=CHANNEL))
    names = (
        ("Envoyer des messages", "Intégrer des liens")
        if french
        else (
            "Send Messages",
            "Embed Links",
        )
    )
    fix = "Ouvrez les paramètres de ce salon" if french else "Open that channel's settings"
    assert all(f"**{name}**" in text(panel) for name in names)
    assert f"<#{club.channel.id}>" in text(panel)
    assert fix in text(panel)
    assert await welcome(club) is None


async def test_a_channel_lost_later_shows_and_keeps_nobody_from_other_changes(club: Club) -> None:
    channel_id = Snowflake(club.channel.id)
    await club.save(club.welcome, encode(WelcomeSettings(channel_id=channel_id)))
    club.env.backend.delete_channel(club.channel.id)
    await club.settle()
    panel = await club.open_panel(club.manager, "welcome")
    assert "has to be put right" in text(panel)
    assert "The chosen channel is gone" in text(panel)
    defaults = [one["default_values"] for one in components(panel) if one.get("default_values")]
    assert defaults == []
    panel = await write(club, club.manager, panel, text="Hello {user}")
    assert "not saved" not in text(panel)
    found = await welcome(club)
    assert found is not None
    assert found.text == "Hello {user}"
    # Without a channel and a direct message there would be nothing left to do.
    panel = shown(await club.manager.select(panel, [], custom_id=CHANNEL))
    assert "Choose a channel to greet in" in text(panel)
    assert await is_on(club, "welcome")


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
    actor = actor_of(club, french)
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
    assert await welcome(club) is None


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
    assert await welcome(club) is None


async def test_the_test_button_greets_and_tells(club: Club) -> None:
    settings = WelcomeSettings(
        channel_id=Snowflake(club.channel.id), direct_message=True, text="Hi {username}"
    )
    await club.save(club.welcome, encode(settings), enabled=False)
    panel = await club.open_panel(club.manager, "welcome")
    panel = shown(await club.manager.click(panel, custom_id="config_try:welcome"))
    assert text(panel).count("✅ sent") == 2
    panel = shown(await club.manager.click(panel, custom_id="config_try:welcome"))
    assert [text(one) for one in club.channel.history()] == ["Hi Max"] * 2
    assert len(club.manager.user.dm_channel.history()) == 2
    club.deny(club.channel, send_messages=True)
    await club.settle()
    path = f"/channels/{club.manager.user.dm_channel.id}/messages"
    club.env.inject_error("POST", path, status=403, code=50007, message="x")
    panel = shown(await club.manager.click(panel, custom_id="config_try:welcome"))
    assert "Moddy may not write there" in text(panel)
    assert "privacy settings" in text(panel)


async def test_the_test_button_says_what_is_missing(club: Club) -> None:
    panel = await club.open_panel(club.french, "welcome")
    panel = shown(await club.french.click(panel, custom_id="config_try:welcome"))
    assert "Choisissez un salon" in text(panel)


@LANGUAGES
async def test_the_picture_is_locked_without_premium(club: Club, french: bool) -> None:
    actor = actor_of(club, french)
    panel = await club.open_panel(actor, "welcome")
    words = "Un serveur est premium" if french else "A server is premium while its owner"
    assert words in text(panel)
    [link] = [one for one in components(panel) if one.get("url")]
    assert link["url"] == WEBSITE
    [button] = [
        one
        for one in components(panel)
        if str(one.get("custom_id")).startswith("config_set:welcome:picture")
    ]
    assert button["disabled"]
    # Pressed all the same, as a modified client could.
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.ActionRow(discord.ui.Button(label="P", custom_id=button["custom_id"])))
    view.stop()
    message = await club.bot.get_partial_messageable(club.log.id).send(view=view)
    panel = shown(await actor.click(message, label="P"))
    assert await welcome(club) is None
    await club.make_premium(club.owner)
    panel = await club.open_panel(actor, "welcome")
    assert words not in text(panel)
    await actor.click(panel, custom_id="config_set:welcome:picture:true")
    found = await welcome(club)
    assert found is not None
    assert found.picture


@LANGUAGES
async def test_a_command_for_premium_servers(club: Club, french: bool) -> None:
    actor = actor_of(club, french)
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
    assert await is_on(club, "restore_roles")
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
    actor = actor_of(club, french)
    panel = await club.open_panel(actor, "restore_roles")
    panel = shown(await actor.click(panel, custom_id="config_turn:restore_roles:on"))
    assert ("**Gérer les rôles**" if french else "**Manage Roles**") in text(panel)
    assert not await is_on(club, "restore_roles")


async def test_two_managers_at_once_lose_nothing(club: Club) -> None:
    first = await club.open_panel(club.manager, "welcome")
    second = await club.open_panel(club.french, "welcome")
    await club.manager.select(first, [club.channel], custom_id=CHANNEL)
    await club.french.click(second, custom_id="config_set:welcome:direct_message:true")
    assert await welcome(club) == WelcomeSettings(
        channel_id=Snowflake(club.channel.id), direct_message=True
    )

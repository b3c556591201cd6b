"""The welcome's panel in ``/config``: setting it up, trying it, and what keeps it from working."""

from __future__ import annotations

import discord
import pytest
from simcord.actors import MemberActor
from simcord.results import ResponseMessage

from moddy.models import Snowflake, encode
from moddy.modules.welcome import WelcomeSettings
from tests.modules.club import CHANNEL, LANGUAGES, WEBSITE, Club, components, shown, text


async def write(
    club: Club, actor: MemberActor, panel: ResponseMessage, **texts: str
) -> ResponseMessage:
    form = await actor.click(panel, custom_id="config_form:welcome")
    return shown(await actor.submit_modal(form, texts))


@LANGUAGES
async def test_setting_up_the_welcome(club: Club, french: bool) -> None:
    actor = club.speaker(french=french)
    panel = await club.open_panel(actor, "welcome")
    panel = shown(await actor.click(panel, custom_id="config_turn:welcome:on"))
    refused = "pas été enregistré" if french else "This was not saved"
    assert refused in text(panel)
    assert not await club.is_on("welcome")
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
    assert await club.is_on("welcome")
    assert ("🟢 activé" if french else "🟢 on") in text(panel)
    assert await club.welcome_settings() == WelcomeSettings(
        channel_id=Snowflake(club.channel.id),
        direct_message=True,
        text="Hi {user}",
        colour=0x8E5BD0,
        image_url="https://a.example/b.png",
    )
    panel = shown(await actor.click(panel, custom_id="config_turn:welcome:off"))
    assert not await club.is_on("welcome")
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
    actor = club.speaker(french=french)
    panel = await club.open_panel(actor, "welcome")
    panel = await write(club, actor, panel, **{"text": "Fine", **texts})
    assert (french_words if french else english) in text(panel)
    assert await club.welcome_settings() is None


async def test_unknown_placeholders_are_shown_harmlessly(club: Club) -> None:
    panel = await club.open_panel(club.manager, "welcome")
    panel = await write(club, club.manager, panel, text="{@everyone <@1> " + "x" * 300 + "}")
    shown_text = text(panel)
    assert "@everyone" not in shown_text
    assert "x" * 60 not in shown_text


@LANGUAGES
async def test_a_channel_that_moddy_cannot_write_in(club: Club, french: bool) -> None:
    actor = club.speaker(french=french)
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
    assert await club.welcome_settings() is None


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
    found = await club.welcome_settings()
    assert found is not None
    assert found.text == "Hello {user}"
    # Without a channel and a direct message there would be nothing left to do.
    panel = shown(await club.manager.select(panel, [], custom_id=CHANNEL))
    assert "Choose a channel to greet in" in text(panel)
    assert await club.is_on("welcome")


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
    actor = club.speaker(french=french)
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
    assert await club.welcome_settings() is None
    await club.make_premium(club.owner)
    panel = await club.open_panel(actor, "welcome")
    assert words not in text(panel)
    await actor.click(panel, custom_id="config_set:welcome:picture:true")
    found = await club.welcome_settings()
    assert found is not None
    assert found.picture

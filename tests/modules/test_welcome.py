"""Greeting new members, in a Discord in memory."""

from __future__ import annotations

import struct

import pytest

from moddy.models import Snowflake, encode
from moddy.modules.welcome import WelcomeSettings
from moddy.store import users
from tests.modules.club import Club, components, text

MEDIA_GALLERY = 12


async def turn_on(club: Club, **settings: object) -> None:
    settings = {"channel_id": Snowflake(club.channel.id), **settings}
    await club.save(club.welcome, encode(WelcomeSettings(**settings)))  # type: ignore[arg-type]


async def test_greets_in_the_channel_and_mentions_only_the_newcomer(club: Club) -> None:
    await turn_on(club, text="@everyone {user} {username} of {server}: {member_count} <@&1>")
    ada = club.add("ada **l**")
    await club.settle()
    [message] = club.channel.history()
    expected = f"@everyone <@{ada.id}> Ada \\*\\*L\\*\\* of Book \\*Club\\*: 5 <@&1>"
    assert text(message) == expected
    assert [one.id for one in message.mentions] == [ada.id]
    assert not message.mention_everyone
    assert message.role_mentions == []


async def test_the_default_text_is_in_the_servers_language(club: Club) -> None:
    club.env.backend.edit_guild(club.guild.id, {"preferred_locale": "fr"})
    await turn_on(club)
    ada = club.add("ada")
    await club.settle()
    [message] = club.channel.history()
    assert f"<@{ada.id}>" in text(message)
    assert "Bienvenue sur **Book \\*Club\\***" in text(message)


async def test_a_direct_message_as_well(club: Club) -> None:
    await turn_on(club, direct_message=True, text="Hi {username}", colour=0xFF0000)
    ada = club.add("ada")
    await club.settle()
    [told] = ada.user.dm_channel.history()
    assert text(told) == "Hi Ada"
    assert len(club.channel.history()) == 1


async def test_only_a_direct_message(club: Club) -> None:
    await turn_on(club, channel_id=None, direct_message=True, text="Hi")
    ada = club.add("ada")
    await club.settle()
    assert len(ada.user.dm_channel.history()) == 1
    assert club.channel.history() == []


async def test_closed_direct_messages_do_not_keep_it_from_the_channel(
    club: Club, capsys: pytest.CaptureFixture[str]
) -> None:
    await turn_on(club, direct_message=True)
    user = club.env.create_user("ada")
    club.env.inject_error(
        "POST", f"/channels/{user.dm_channel.id}/messages", status=403, code=50007, message="x"
    )
    club.guild.add_member(user)
    await club.settle()
    assert len(club.channel.history()) == 1
    assert "not sent" not in capsys.readouterr().out


async def test_a_flood_of_joins_opens_few_direct_messages(club: Club) -> None:
    await turn_on(club, direct_message=True, text="Hi")
    newcomers = [club.add(f"raider{number}") for number in range(35)]
    await club.settle()
    told = sum(len(one.user.dm_channel.history()) for one in newcomers)
    assert told == club.new_dms.max_rate
    assert len(club.channel.history()) == len(newcomers)


async def test_bots_are_not_greeted(club: Club) -> None:
    await turn_on(club)
    club.guild.add_member(club.env.create_user("helper", bot=True))
    await club.settle()
    assert club.channel.history() == []


async def test_off_is_off(club: Club) -> None:
    settings = encode(WelcomeSettings(channel_id=Snowflake(club.channel.id)))
    await club.save(club.welcome, settings, enabled=False)
    club.add("ada")
    await club.settle()
    assert club.channel.history() == []


async def test_told_twice_greets_once(club: Club) -> None:
    """The nonce is the same for the same arrival, so that Discord drops the repeat."""
    await turn_on(club)
    ada = club.add("ada")
    await club.settle()
    member = club.bot.guilds[0].get_member(ada.id)
    club.bot.dispatch("member_join", member)
    await club.settle()
    sent = [one for one in club.env.http_requests if one.path.endswith("/messages")]
    nonces = [one.json["nonce"] for one in sent if one.method == "POST" and one.json]
    assert len(nonces) == 2
    assert len(set(nonces)) == 1
    assert all(len(nonce) <= 25 for nonce in nonces)


@pytest.mark.parametrize("lost", ["send_messages", "channel"])
async def test_what_is_lost_on_the_way_is_logged_and_harms_nobody(
    club: Club, lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await turn_on(club, direct_message=True, text="Hi")
    if lost == "channel":
        club.env.backend.delete_channel(club.channel.id)
    else:
        club.deny(club.channel, send_messages=True)
    ada = club.add("ada")
    await club.settle()
    assert len(ada.user.dm_channel.history()) == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if "not sent" in line]
    assert "place=channel" in line
    assert str(club.guild.id) in line


async def test_the_picture_comes_with_premium_and_goes_with_it(club: Club) -> None:
    await turn_on(club, picture=True, image_url="https://example.com/hi.png")
    club.add("ada")
    await club.settle()
    await club.make_premium(club.owner)
    club.add("ben")
    await club.settle()

    async def end(connection: object) -> None:
        await users.save_premium(
            connection,  # type: ignore[arg-type]
            Snowflake(club.owner.id),
            premium=False,
            until=None,
        )

    await club.database.transaction(end)
    club.add("cleo")
    await club.settle()
    plain, pictured, plain_again = club.channel.history()
    assert plain.attachments == plain_again.attachments == []
    [picture] = pictured.attachments
    png = await picture.read()
    assert struct.unpack(">II", png[16:24]) == (800, 260)
    galleries = [one for one in components(pictured) if one["type"] == MEDIA_GALLERY]
    assert len(galleries) == 2

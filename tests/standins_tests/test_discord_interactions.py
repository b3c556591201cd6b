"""discord.py answers commands and buttons through the stand-in."""

import pytest

from tests.standins.discord import EPHEMERAL, DiscordStandin
from tests.standins_tests.small_bot import SmallBot, connected

pytestmark = pytest.mark.usefixtures("_discord_py")


async def test_response_and_followup(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    channel = guild.add_text_channel("chat")
    alice, bob = discord.add_user("alice"), discord.add_user("bob")
    discord.add_member(guild, alice)
    async with connected(SmallBot(), discord):
        used = await discord.interaction(
            alice, "greet", guild, options={"text": "hi", "times": 2, "friend": bob}
        )
        answers = await used.wait_messages(2)
    assert [answer.content for answer in answers] == ["hihi bob", "and goodbye"]
    assert answers[0].flags & EPHEMERAL
    assert used.callbacks[0]["type"] == 4
    # Nobody else sees the ephemeral answer.
    assert [message.content for message in channel.messages] == ["and goodbye"]


async def test_deferred_subcommand_then_button_in_dm(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice", locale="fr")
    async with connected(SmallBot(), discord):
        used = await discord.interaction(alice, "plans list")
        answer = await used.wait_response(timeout=5)
        assert used.deferred
        assert answer.text == "Plan A"
        assert answer.ephemeral
        click = await discord.component_click(alice, answer, "next")
        await click.wait_callback(timeout=5)
        assert answer.text == "Plan B in fr"
        assert click.callbacks[0]["type"] == 7
        with pytest.raises(LookupError):
            await discord.component_click(alice, answer, "next")


async def test_button_that_needs_time(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord):
        used = await discord.interaction(alice, "plans list")
        answer = await used.wait_response(timeout=5)
        click = await discord.component_click(alice, answer, "later")
        assert await click.wait_response(timeout=5) is answer
        assert answer.text == "Plan C"
        assert [callback["type"] for callback in click.callbacks] == [6]


async def test_second_first_response_is_refused(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        used = await discord.interaction(alice, "greet", options={"text": "hi"})
        await used.wait_messages(2)
        path = f"{discord.rest_url}/interactions/{used.id}/{used.token}/callback"
        session = bot.http._HTTPClient__session  # type: ignore[attr-defined]
        async with session.post(path, json={"type": 4, "data": {"content": "x"}}) as answer:
            assert answer.status == 400
            assert (await answer.json())["code"] == 40060


async def test_too_late_response_is_refused(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    discord.interaction_deadline = 0.0
    async with connected(SmallBot(), discord):
        used = await discord.interaction(alice, "greet", options={"text": "hi"})
        await discord.wait_until(
            lambda: any(call.status == 404 for call in discord.calls("POST", "/callback"))
        )
        assert used.messages == []


async def test_nobody_is_connected(discord: DiscordStandin) -> None:
    with pytest.raises(RuntimeError, match="no bot is connected"):
        await discord.interaction(discord.add_user("alice"), "greet")

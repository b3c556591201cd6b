"""A second, independent library works against the stand-in, which keeps it honest."""

import asyncio
from collections.abc import AsyncIterator

import hikari
import pytest

from tests.standins.discord import DiscordStandin, Guild


@pytest.fixture
def guild(discord: DiscordStandin) -> Guild:
    guild = discord.add_guild(name="Moddy HQ")
    guild.add_text_channel("news", deny_everyone=1 << 11)
    guild.add_role("Premium")
    return guild


@pytest.fixture
async def bot(discord: DiscordStandin, guild: Guild) -> AsyncIterator[hikari.GatewayBot]:
    intents = hikari.Intents.ALL_UNPRIVILEGED | hikari.Intents.GUILD_MEMBERS
    bot = hikari.GatewayBot(
        discord.formatted_token,
        banner=None,
        logs=None,
        intents=intents,
        rest_url=discord.rest_url,
        suppress_optimization_warning=True,
    )
    await bot.start(check_for_updates=False)
    yield bot
    await bot.close()


async def test_hikari_sees_the_guild_and_its_members(
    discord: DiscordStandin, guild: Guild, bot: hikari.GatewayBot
) -> None:
    alice = discord.add_user("alice")
    joined: asyncio.Queue[hikari.MemberCreateEvent] = asyncio.Queue()

    @bot.listen()
    async def on_join(event: hikari.MemberCreateEvent) -> None:
        joined.put_nowait(event)

    discord.add_member(guild, alice)
    event = await asyncio.wait_for(joined.get(), 5)
    assert event.user.username == "alice"
    seen = bot.cache.get_guild(guild.id)
    assert seen is not None
    assert seen.name == "Moddy HQ"
    assert {role.name for role in seen.get_roles().values()} >= {"Premium", "moddy"}
    assert [channel.name for channel in seen.get_channels().values()] == ["news"]
    assert seen.get_member(discord.bot.id) is not None


async def test_hikari_sends_a_direct_message(
    discord: DiscordStandin, bot: hikari.GatewayBot
) -> None:
    alice = discord.add_user("alice")
    channel = await bot.rest.create_dm_channel(alice.id)
    sent = await channel.send("hello from hikari")
    assert [message.content for message in discord.dms[alice.id]] == ["hello from hikari"]
    assert sent.id == discord.dms[alice.id][0].id
    assert sent.author.id == discord.bot.id


async def test_hikari_gives_a_role_and_is_refused_one(
    discord: DiscordStandin, guild: Guild, bot: hikari.GatewayBot
) -> None:
    alice = discord.add_user("alice")
    discord.add_member(guild, alice)
    premium = guild.add_role("Gold")
    await bot.rest.add_role_to_member(guild.id, alice.id, premium.id)
    assert guild.members[alice.id].roles == {premium.id}
    guild.set_bot_permissions(0)
    with pytest.raises(hikari.ForbiddenError) as refused:
        await bot.rest.remove_role_from_member(guild.id, alice.id, premium.id)
    assert refused.value.code == 50013


async def test_hikari_answers_a_command(discord: DiscordStandin, bot: hikari.GatewayBot) -> None:
    command = bot.rest.slash_command_builder("hello", "Says hello")
    await bot.rest.set_application_commands(discord.world.application_id, [command])

    @bot.listen()
    async def on_use(event: hikari.CommandInteractionCreateEvent) -> None:
        await event.interaction.create_initial_response(
            hikari.ResponseType.DEFERRED_MESSAGE_CREATE, flags=hikari.MessageFlag.EPHEMERAL
        )
        await event.interaction.edit_initial_response(f"hello {event.interaction.user.username}")

    used = await discord.interaction(discord.add_user("alice", locale="fr"), "hello")
    answer = await used.wait_response(timeout=5)
    assert answer.content == "hello alice"
    assert answer.ephemeral


async def test_hikari_sends_components_v2(discord: DiscordStandin, bot: hikari.GatewayBot) -> None:
    alice = discord.add_user("alice")
    container = hikari.impl.ContainerComponentBuilder()
    container.add_text_display("Your order is ready")
    channel = await bot.rest.create_dm_channel(alice.id)
    sent = await channel.send(component=container)
    assert sent.flags & hikari.MessageFlag.IS_COMPONENTS_V2
    assert discord.dms[alice.id][0].text == "Your order is ready"


async def test_hikari_fetches_what_is_there(
    discord: DiscordStandin, guild: Guild, bot: hikari.GatewayBot
) -> None:
    alice = discord.add_user("alice")
    discord.add_member(guild, alice)
    assert (await bot.rest.fetch_application()).name == "Moddy"
    assert (await bot.rest.fetch_my_user()).is_bot
    assert (await bot.rest.fetch_guild(guild.id)).name == "Moddy HQ"
    assert (await bot.rest.fetch_member(guild.id, alice.id)).user.username == "alice"
    assert len(await bot.rest.fetch_members(guild.id)) == 3
    with pytest.raises(hikari.NotFoundError) as missing:
        await bot.rest.fetch_guild(123)
    assert missing.value.code == 10004

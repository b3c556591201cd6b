"""Reading and changing roles over a real connection."""

from __future__ import annotations

import pytest

from moddy.errors import (
    DiscordUnavailable,
    GuildNotFound,
    MemberNotFound,
    MissingPermissions,
    RoleNotFound,
)
from moddy.messenger import DiscordMessenger, DiscordRoles
from moddy.models import Snowflake
from moddy.services.roles import check
from tests.messenger.conftest import SmallBot, connected, make_messenger, make_roles
from tests.standins.discord import DiscordStandin, Guild, Member, Permission

NOBODY = Snowflake("99")


def ids(*things: object) -> list[Snowflake]:
    return [Snowflake(thing.id) for thing in things]  # type: ignore[attr-defined]


@pytest.fixture
def member(standin: DiscordStandin, guild: Guild) -> Member:
    return standin.add_member(guild, standin.add_user("ada"))


@pytest.fixture
def ada(member: Member) -> Snowflake:
    return Snowflake(member.user.id)


async def test_everything_that_must_be_known(
    guild: Guild, member: Member, ada: Snowflake, roles: DiscordRoles
) -> None:
    premium = guild.add_role("Premium", position=3)
    boost = guild.add_role("Boost", position=4, managed=True)
    guild.set_member_roles(member, {premium.id})
    facts = await roles.read(Snowflake(guild.id), ada)
    assert facts.guild_id == str(guild.id)
    [premium_id, boost_id, own_id] = ids(premium, boost, guild.bot_role)
    assert facts.roles[premium_id].position == 3
    assert [facts.roles[one].managed for one in (premium_id, boost_id)] == [False, True]
    assert facts.member_role_ids is not None
    assert premium_id in facts.member_role_ids
    assert facts.top_rank == facts.roles[own_id].rank
    assert facts.may_manage
    assert check(facts, [premium_id]) is None


async def test_hierarchy(guild: Guild, ada: Snowflake, roles: DiscordRoles) -> None:
    above = guild.add_role("Above", position=50)
    guild.set_bot_permissions(0)
    facts = await roles.read(Snowflake(guild.id), ada)
    [above_id] = ids(above)
    assert facts.roles[above_id].rank > facts.top_rank
    assert not facts.may_manage
    guild.set_bot_permissions(Permission.ADMINISTRATOR)
    assert (await roles.read(Snowflake(guild.id), ada)).may_manage


async def test_not_a_member_and_nobody_at_all(
    standin: DiscordStandin, guild: Guild, roles: DiscordRoles
) -> None:
    outsider = Snowflake(standin.add_user("ben").id)
    for user_id in (outsider, NOBODY):
        facts = await roles.read(Snowflake(guild.id), user_id)
        assert facts.member_role_ids is None


async def test_changes_single_roles_and_leaves_the_others(
    standin: DiscordStandin,
    guild: Guild,
    member: Member,
    ada: Snowflake,
    roles: DiscordRoles,
) -> None:
    old, new, other = (guild.add_role(name) for name in ("Old", "New", "Other"))
    guild.set_member_roles(member, {old.id, other.id})
    await roles.change(Snowflake(guild.id), ada, add=ids(new), remove=ids(old))
    assert member.roles == {new.id, other.id}
    await roles.change(Snowflake(guild.id), ada, add=ids(new), remove=ids(old))
    assert member.roles == {new.id, other.id}
    assert standin.calls("PATCH") == []
    reasons = {call.headers.get("X-Audit-Log-Reason") for call in standin.calls("PUT")}
    assert None not in reasons


async def test_refusals(
    standin: DiscordStandin,
    guild: Guild,
    ada: Snowflake,
    roles: DiscordRoles,
    bot: SmallBot,
) -> None:
    guild_id, role = Snowflake(guild.id), guild.add_role("Premium")
    outsider = Snowflake(standin.add_user("ben").id)
    with pytest.raises(RoleNotFound):
        await roles.change(guild_id, ada, add=[NOBODY], remove=[])
    for user_id in (outsider, NOBODY):
        with pytest.raises(MemberNotFound):
            await roles.change(guild_id, user_id, add=ids(role), remove=[])
    guild.set_bot_permissions(0)
    with pytest.raises(MissingPermissions):
        await roles.change(guild_id, ada, add=ids(role), remove=[])
    standin.faults.add("GET", f"/guilds/{guild.id}", status=503)
    with pytest.raises(DiscordUnavailable):
        await roles.read(guild_id, ada)
    standin.remove_guild(guild)
    with pytest.raises(GuildNotFound):
        await roles.read(guild_id, ada)
    await standin.wait_until(lambda: not bot.guilds)
    assert roles.knows_guild(guild_id) is False


async def test_knows_guild_and_its_language(
    guild: Guild, roles: DiscordRoles, messenger: DiscordMessenger
) -> None:
    assert roles.knows_guild(Snowflake(guild.id)) is True
    assert roles.knows_guild(NOBODY) is False
    assert await messenger.guild_locale() == "fr"


async def test_language_without_a_main_guild(bot: SmallBot) -> None:
    assert await make_messenger(bot, None).guild_locale() is None
    assert await make_messenger(bot, 99).guild_locale() is None


async def test_nothing_is_known_before_the_gateway_is_ready(guild: Guild) -> None:
    bot = SmallBot()
    messenger, roles = make_messenger(bot, guild.id), make_roles(bot)
    assert roles.knows_guild(Snowflake(guild.id)) is None
    assert await messenger.guild_locale() is None


@pytest.mark.parametrize("own", [0, 1])
async def test_guild_of_another_process_shard_is_not_called_unknown(
    standin: DiscordStandin, guild: Guild, own: int
) -> None:
    bot = SmallBot(shard_ids=[own], shard_count=2)
    async with connected(bot, standin):
        roles = make_roles(bot)
        ours = (guild.id >> 22) % 2 == own
        assert roles.knows_guild(Snowflake(guild.id)) is (True if ours else None)
        # A guild that would be on the own shard and is not there is really unknown.
        mine = Snowflake((1000 + (own - 1000) % 2) << 22)
        assert roles.knows_guild(mine) is False


@pytest.mark.parametrize("own", [0, 1])
async def test_what_another_process_has_is_asked_for(
    standin: DiscordStandin, guild: Guild, own: int
) -> None:
    """The language of its guild, and its channel: each process does the same."""
    channel = guild.add_text_channel("news")
    ada = standin.add_user("ada")
    standin.add_member(guild, ada)
    bot = SmallBot(shard_ids=[own], shard_count=2)
    async with connected(bot, standin):
        messenger = make_messenger(bot, guild.id)
        asked = len(standin.calls("GET", f"/guilds/{guild.id}"))
        assert [await messenger.guild_locale() for _ in range(3)] == ["fr"] * 3
        elsewhere = (guild.id >> 22) % 2 != own
        assert len(standin.calls("GET", f"/guilds/{guild.id}")) - asked == int(elsewhere)
        for user, reached in ((ada, True), (standin.add_user("eve"), False)):
            assert reached is await messenger.send_fallback(
                Snowflake(user.id),
                channel_id=Snowflake(channel.id),
                locale="fr",
                nonce=f"{user.id}",
            )
        [message] = channel.messages
        assert ada.mention in message.content
        gone = Snowflake(1 << 40)
        assert not await messenger.send_fallback(
            Snowflake(ada.id), channel_id=gone, locale="fr", nonce="n"
        )

"""Direct messages and the fallback channel, as they look on the wire."""

from __future__ import annotations

import asyncio

import pytest

from moddy.errors import (
    DirectMessagesClosed,
    DiscordError,
    DiscordRefused,
    DiscordUnavailable,
    GuildNotFound,
    MemberNotFound,
    MissingPermissions,
    RoleNotFound,
    UserNotFound,
)
from moddy.messenger import DiscordMessenger
from moddy.models import NotifyAction, Snowflake
from moddy.notices import Notice, NotifyMetadata
from tests.messenger.conftest import SmallBot, make_messenger, make_roles
from tests.standins.discord import DiscordStandin, Guild, Permission, User

NONCE = "0123456789abcdef01234567"
NOBODY = Snowflake("99")
CHANNEL = "/channels/*/messages"
NOTICE = Notice(
    action=NotifyAction.SUBSCRIPTION_UPDATED,
    locale="en-US",
    plan="moddy_max",
    metadata=NotifyMetadata(message="Hello @everyone <@1> <@&2>"),
)


@pytest.fixture
def ada(standin: DiscordStandin) -> User:
    return standin.add_user("ada")


def of(user: User) -> Snowflake:
    return Snowflake(user.id)


async def test_message_is_there_mentions_nobody_and_repeats_are_dropped(
    standin: DiscordStandin, messenger: DiscordMessenger, ada: User
) -> None:
    for _ in range(2):
        await messenger.send_notice(of(ada), NOTICE, nonce=NONCE)
    [message] = standin.dms[ada.id]
    assert "Your subscription was updated" in message.text
    assert message.raw["nonce"] == NONCE
    assert message.raw["enforce_nonce"] is True
    assert message.raw["allowed_mentions"] == {"parse": []}
    assert message.mentioned_user_ids == []
    assert not message.mentions_everyone
    assert len(standin.calls("POST", "/messages")) == 2


async def test_another_nonce_is_another_message(
    standin: DiscordStandin, messenger: DiscordMessenger, ada: User
) -> None:
    for nonce in (NONCE, NONCE[::-1]):
        await messenger.send_notice(of(ada), NOTICE, nonce=nonce)
    assert len(standin.dms[ada.id]) == 2


@pytest.mark.parametrize("policy", ["closed", "closed_50278"])
async def test_closed(standin: DiscordStandin, messenger: DiscordMessenger, policy: str) -> None:
    ben = standin.add_user("ben", dms=policy)  # type: ignore[arg-type]
    with pytest.raises(DirectMessagesClosed) as closed:
        await messenger.send_notice(of(ben), NOTICE, nonce=NONCE)
    assert closed.value.discord_code == (50007 if policy == "closed" else 50278)


async def test_nobody_has_this_id(messenger: DiscordMessenger) -> None:
    with pytest.raises(UserNotFound):
        await messenger.send_notice(NOBODY, NOTICE, nonce=NONCE)


async def test_invalid_recipient_who_does_not_exist(
    standin: DiscordStandin, messenger: DiscordMessenger
) -> None:
    """Discord says 50033 to opening a DM; only fetching the user tells what it is."""
    standin.faults.add("POST", "/users/@me/channels", status=400, code=50033)
    with pytest.raises(UserNotFound):
        await messenger.send_notice(NOBODY, NOTICE, nonce=NONCE)


async def test_invalid_recipient_who_exists(
    standin: DiscordStandin, messenger: DiscordMessenger, ada: User
) -> None:
    standin.faults.add("POST", "/users/@me/channels", status=400, code=50033)
    with pytest.raises(DiscordRefused) as refused:
        await messenger.send_notice(of(ada), NOTICE, nonce=NONCE)
    assert refused.value.discord_code == 50033


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (404, 10004, GuildNotFound),
        (404, 10007, MemberNotFound),
        (404, 10011, RoleNotFound),
        (404, 10013, UserNotFound),
        (403, 50001, MissingPermissions),
        (403, 50007, DirectMessagesClosed),
        (403, 50013, MissingPermissions),
        (403, 50278, DirectMessagesClosed),
        (400, 40003, DiscordUnavailable),
        (401, 0, DiscordUnavailable),
        (408, 0, DiscordUnavailable),
        (503, 0, DiscordUnavailable),
        (400, 50035, DiscordRefused),
        (403, 20026, DiscordUnavailable),
        (404, 10003, DiscordRefused),
        (418, 0, DiscordRefused),
    ],
)
async def test_each_code_has_its_error(
    *,
    standin: DiscordStandin,
    messenger: DiscordMessenger,
    ada: User,
    status: int,
    code: int,
    error: type[DiscordError],
) -> None:
    secret = "words of Discord that may hold a name"
    standin.faults.add("POST", CHANNEL, status=status, code=code, message=secret)
    with pytest.raises(DiscordError) as raised:
        await messenger.send_notice(of(ada), NOTICE, nonce=NONCE)
    assert type(raised.value) is error
    assert raised.value.discord_code == code
    assert "words" not in str(raised.value)
    assert raised.value.retryable == (error is DiscordUnavailable)


async def test_rate_limit_that_is_too_long_says_how_long(
    standin: DiscordStandin, messenger: DiscordMessenger, ada: User
) -> None:
    standin.faults.add("POST", CHANNEL, status=429, retry_after=3600.0)
    with pytest.raises(DiscordUnavailable) as limited:
        await messenger.send_notice(of(ada), NOTICE, nonce=NONCE)
    assert limited.value.retry_after == 3600.0


async def test_rate_limit_by_cloudflare(
    standin: DiscordStandin, messenger: DiscordMessenger, ada: User
) -> None:
    standin.faults.add("POST", CHANNEL, status=429, retry_after=7.0, cloudflare=True)
    with pytest.raises(DiscordUnavailable) as limited:
        await messenger.send_notice(of(ada), NOTICE, nonce=NONCE)
    assert limited.value.retry_after in (7.0, None)


async def test_connection_that_breaks(
    standin: DiscordStandin, messenger: DiscordMessenger, ada: User
) -> None:
    standin.faults.add("POST", CHANNEL, drop=True, times=None)
    with pytest.raises(DiscordUnavailable):
        await messenger.send_notice(of(ada), NOTICE, nonce=NONCE)


async def test_answer_lost_and_the_repeat_is_dropped(
    standin: DiscordStandin, messenger: DiscordMessenger, ada: User
) -> None:
    """The message was posted, the answer was not heard: trying again must not post it twice."""
    standin.faults.add("POST", CHANNEL, status=503, apply=True)
    with pytest.raises(DiscordUnavailable):
        await messenger.send_notice(of(ada), NOTICE, nonce=NONCE)
    await messenger.send_notice(of(ada), NOTICE, nonce=NONCE)
    assert len(standin.dms[ada.id]) == 1


async def test_not_connected(bot: SmallBot, guild: Guild, ada: User) -> None:
    messenger = make_messenger(bot, guild.id)
    await bot.close()
    with pytest.raises(DiscordUnavailable):
        await messenger.send_notice(of(ada), NOTICE, nonce=NONCE)
    with pytest.raises(DiscordUnavailable):
        await make_roles(bot).read(Snowflake(guild.id), of(ada))
    with pytest.raises(DiscordUnavailable):
        await make_roles(bot).change(Snowflake(guild.id), of(ada), add=[], remove=[])


async def test_given_up_call_does_not_stop_the_others(
    standin: DiscordStandin, messenger: DiscordMessenger, ada: User
) -> None:
    """A call that sleeps through a global limit and is given up must not block all later ones."""
    standin.faults.add("POST", CHANNEL, status=429, retry_after=20.0, global_limit=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await messenger.send_notice(of(ada), NOTICE, nonce=NONCE)
    async with asyncio.timeout(3):
        await messenger.send_notice(of(ada), NOTICE, nonce=NONCE)


async def test_fallback_mentions_only_the_member(
    standin: DiscordStandin, bot: SmallBot, messenger: DiscordMessenger, guild: Guild, ada: User
) -> None:
    standin.add_member(guild, ada)
    channel = guild.add_text_channel("news")
    await standin.wait_until(lambda: bot.get_channel(channel.id) is not None)
    for _ in range(2):
        assert await messenger.send_fallback(
            of(ada), channel_id=Snowflake(channel.id), locale="en-US", nonce=NONCE
        )
    [message] = channel.messages
    assert message.mentioned_user_ids == [ada.id]
    assert message.content.startswith(f"<@{ada.id}> ")
    assert "/subscription" in message.content
    assert "moddy_max" not in message.content
    assert (message.raw["nonce"], message.raw["enforce_nonce"]) == (NONCE, True)
    assert message.raw["allowed_mentions"]["parse"] == []


@pytest.mark.parametrize(
    ("deny_everyone", "deny_bot", "member"),
    [
        (Permission.VIEW_CHANNEL, 0, True),
        (0, Permission.SEND_MESSAGES, True),
        (0, Permission.VIEW_CHANNEL, True),
        (0, 0, False),
    ],
    ids=["not visible", "bot may not write", "bot may not see", "not a member"],
)
async def test_fallback_does_not_reach(
    *,
    standin: DiscordStandin,
    bot: SmallBot,
    messenger: DiscordMessenger,
    guild: Guild,
    ada: User,
    deny_everyone: int,
    deny_bot: int,
    member: bool,
) -> None:
    if member:
        standin.add_member(guild, ada)
    allow = Permission.VIEW_CHANNEL if deny_everyone else 0
    channel = guild.add_text_channel(
        "news", deny_everyone=deny_everyone, deny_bot=deny_bot, allow_bot=allow
    )
    await standin.wait_until(lambda: bot.get_channel(channel.id) is not None)
    assert not await messenger.send_fallback(
        of(ada), channel_id=Snowflake(channel.id), locale="fr", nonce=NONCE
    )
    assert channel.messages == []


async def test_fallback_channel_that_does_not_exist(messenger: DiscordMessenger, ada: User) -> None:
    assert not await messenger.send_fallback(of(ada), channel_id=NOBODY, locale="fr", nonce=NONCE)


async def test_fallback_is_tried_again_when_discord_fails(
    standin: DiscordStandin, bot: SmallBot, messenger: DiscordMessenger, guild: Guild, ada: User
) -> None:
    standin.add_member(guild, ada)
    channel = guild.add_text_channel("news")
    await standin.wait_until(lambda: bot.get_channel(channel.id) is not None)
    standin.faults.add("POST", CHANNEL, status=503)
    with pytest.raises(DiscordUnavailable):
        await messenger.send_fallback(
            of(ada), channel_id=Snowflake(channel.id), locale="fr", nonce=NONCE
        )

"""What goes over the wire, looked at without a Discord library."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.standins.discord import DiscordStandin

GUILDS, GUILD_MEMBERS, GUILD_PRESENCES = 1 << 0, 1 << 1, 1 << 8


@pytest.fixture
async def session(discord: DiscordStandin) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bot {discord.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


Socket = aiohttp.ClientWebSocketResponse


async def hello(discord: DiscordStandin, session: aiohttp.ClientSession) -> Socket:
    """A fresh connection, after HELLO."""
    socket = await session.ws_connect(f"{discord.gateway_url}?v=10&encoding=json")
    assert (await socket.receive_json())["op"] == 10
    return socket


def identify(token: str, intents: int, shard: tuple[int, int] = (0, 1)) -> dict[str, Any]:
    return {"op": 2, "d": {"token": token, "intents": intents, "shard": shard, "properties": {}}}


async def names(socket: Socket, count: int) -> list[str]:
    """The names of the next dispatches."""
    return [(await socket.receive_json(timeout=5))["t"] for _ in range(count)]


async def closed_with(socket: Socket) -> int | None:
    message = await socket.receive(timeout=5)
    assert message.type is aiohttp.WSMsgType.CLOSE
    return socket.close_code


async def test_answers_look_like_discords(
    discord: DiscordStandin, session: aiohttp.ClientSession
) -> None:
    async with session.get(f"{discord.rest_url}/users/@me") as answer:
        assert answer.headers["Content-Type"] == "application/json"
        assert "Via" in answer.headers
        assert isinstance((await answer.json())["id"], str)
    async with session.post(f"{discord.rest_url}/users/@me/channels", data="{") as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, 50109)


async def test_unknown_path(discord: DiscordStandin, session: aiohttp.ClientSession) -> None:
    async with session.put(f"{discord.rest_url}/users/@me") as answer:
        assert answer.status == 404
        assert await answer.json() == {"message": "404: Not Found", "code": 0}
    assert discord.unknown_routes == ["PUT /users/@me"]
    discord.unknown_routes.clear()


async def test_text_of_a_form_with_a_file(
    discord: DiscordStandin, session: aiohttp.ClientSession
) -> None:
    channel = discord.world.dm_channel(discord.add_user("alice"))
    form = aiohttp.FormData()
    form.add_field("payload_json", '{"content": "with a file"}', content_type="application/json")
    form.add_field("files[0]", b"bytes", filename="invoice.pdf")
    url = f"{discord.rest_url}/channels/{channel.id}/messages"
    async with session.post(url, data=form) as answer:
        assert (await answer.json())["attachments"][0]["filename"] == "invoice.pdf"
    assert channel.messages[0].content == "with a file"


async def test_close_codes(discord: DiscordStandin, session: aiohttp.ClientSession) -> None:
    for frames, code in (
        ([identify("wrong", GUILDS)], 4004),
        ([identify(discord.token, GUILDS, (2, 2))], 4010),
        ([{"op": 8, "d": {}}], 4003),
    ):
        socket = await hello(discord, session)
        for frame in frames:
            await socket.send_json(frame)
        assert await closed_with(socket) == code
    socket = await hello(discord, session)
    await socket.send_json(identify(discord.token, GUILDS))
    await socket.receive_json()
    await socket.send_json(identify(discord.token, GUILDS))
    assert await closed_with(socket) == 4005


async def test_unknown_session_cannot_be_resumed(
    discord: DiscordStandin, session: aiohttp.ClientSession
) -> None:
    socket = await hello(discord, session)
    resume = {"token": discord.token, "session_id": "unheard of", "seq": 1}
    await socket.send_json({"op": 6, "d": resume})
    assert (await socket.receive_json()) == {"op": 9, "d": False, "s": None, "t": None}
    await socket.close()


async def test_intents_decide_what_arrives(
    discord: DiscordStandin, session: aiohttp.ClientSession
) -> None:
    guild = discord.add_guild()
    few, many = await hello(discord, session), await hello(discord, session)
    await few.send_json(identify(discord.token, GUILDS))
    await many.send_json(identify(discord.token, GUILDS | GUILD_MEMBERS | GUILD_PRESENCES))
    await discord.gateway.wait_ready(count=2)
    discord.add_member(guild, discord.add_user("alice"))
    guild.add_role("Gold")
    assert await names(few, 3) == ["READY", "GUILD_CREATE", "GUILD_ROLE_CREATE"]
    assert (await many.receive_json())["t"] == "READY"
    created = (await many.receive_json())["d"]
    assert len(created["members"]) == 2
    assert await names(many, 2) == ["GUILD_MEMBER_ADD", "GUILD_ROLE_CREATE"]
    await asyncio.gather(few.close(), many.close())


async def test_members_by_id_and_by_name(
    discord: DiscordStandin, session: aiohttp.ClientSession
) -> None:
    guild = discord.add_guild()
    alice = discord.add_user("alice")
    discord.add_member(guild, alice)
    socket = await hello(discord, session)
    await socket.send_json(identify(discord.token, GUILDS | GUILD_MEMBERS))
    await names(socket, 2)
    by_id = {"guild_id": str(guild.id), "user_ids": [str(alice.id), "123"], "nonce": "n"}
    by_name = {"guild_id": str(guild.id), "query": "ALI", "limit": 5}
    for request in (by_id, by_name):
        await socket.send_json({"op": 8, "d": request})
        chunk = (await socket.receive_json(timeout=5))["d"]
        assert [member["user"]["username"] for member in chunk["members"]] == ["alice"]
        if request is by_id:
            assert (chunk["not_found"], chunk["nonce"]) == (["123"], "n")
    await socket.close()


async def test_client_that_leaves_ends_its_session(
    discord: DiscordStandin, session: aiohttp.ClientSession
) -> None:
    for code, sessions_left in ((1000, 0), (4000, 1)):
        socket = await hello(discord, session)
        await socket.send_json(identify(discord.token, GUILDS))
        await discord.gateway.wait_ready()
        await socket.close(code=code)
        await discord.wait_until(lambda: not discord.gateway.connections)
        assert len(discord.gateway.sessions) == sessions_left

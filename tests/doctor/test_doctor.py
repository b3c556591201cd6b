"""What the doctor finds: nothing on a healthy Moddy, and each fault with its exact fix."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from aiohttp import web
from msgspec import structs
from yarl import URL

from moddy.config import Settings
from moddy.doctor import run_doctor
from moddy.doctor.command import examine, show
from moddy.doctor.discord import PORTAL
from moddy.doctor.findings import Finding, Verdict, failure
from moddy.doctor.machine import check_clock, check_port
from moddy.models import Snowflake
from moddy.sandbox.backend import running_backend
from moddy.store.database import open_database
from moddy.store.migrate import migrate
from moddy.web.app import make_public_app
from moddy.web.server import bound_port, serve
from tests.standins.discord import DiscordStandin, Guild
from tests.standins.discord.clients import discord_py_at
from tests.standins.discord.guilds import Role
from tests.standins.discord.permissions import Permission

SECRET = "planted-secret"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def verdicts(findings: list[Finding]) -> dict[str, Verdict]:
    return {finding.check: finding.verdict for finding in findings}


class Place:
    """A Discord, a backend and a store that are all well, and the settings that lead to them."""

    def __init__(self, discord: DiscordStandin, backend_url: URL, directory: Path) -> None:
        self.discord = discord
        self.guild: Guild = discord.add_guild(name="Moddy HQ")
        self.guild.set_bot_position(5)
        self.guild.set_bot_permissions(Permission.MANAGE_ROLES | 1 << 7)  # View Audit Log
        self.role: Role = self.guild.add_role("Premium")
        self.channel = self.guild.add_text_channel("news")
        self.settings = Settings(
            discord_token=discord.token,
            internal_api_secret=SECRET,
            internal_port=free_port(),
            backend_internal_url=backend_url,
            database_url=f"sqlite:///{directory / 'moddy.db'}",
            moddy_guild_id=Snowflake(self.guild.id),
            moddy_premium_role_id=Snowflake(self.role.id),
            moddy_notify_channel_id=Snowflake(self.channel.id),
            moddy_staff_log_channel_id=Snowflake(self.channel.id),
            moddy_website_url=URL("https://moddy.example"),
            discord_api_base_url=URL(discord.rest_url),
        )

    async def find(self, check: str, **changes: object) -> Finding:
        """Return what is found of one thing, with other settings."""
        findings = await examine(structs.replace(self.settings, **changes))
        [found] = [finding for finding in findings if finding.check == check]
        assert found.fix or found.verdict in (Verdict.OK, Verdict.SKIPPED)
        return found


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with DiscordStandin() as discord, running_backend(secret=SECRET) as backend:
        with discord_py_at(discord):
            place = Place(discord, backend.url, tmp_path)
            async with open_database(place.settings.database_url) as database:
                await migrate(database)
            yield place
        assert discord.unknown_routes == []


async def test_all_is_well_and_nothing_is_changed(place: Place, tmp_path: Path) -> None:
    findings = await examine(place.settings)
    assert set(verdicts(findings).values()) == {Verdict.OK}, findings
    assert {call.method for call in place.discord.requests} == {"GET"}
    async with open_database(place.settings.database_url) as database:
        names = await database.read(
            lambda c: c.run_sync(lambda sync: sa.inspect(sync).get_table_names())
        )
    assert "moddy_doctor" not in names
    assert SECRET not in str(msgspec.json.encode(findings))


async def test_token(place: Place) -> None:
    found = await place.find("Discord token", discord_token="wrong.planted.token")
    assert found.verdict is Verdict.FAILURE
    assert "planted" not in str(found)
    findings = await examine(structs.replace(place.settings, discord_token=None))
    assert verdicts(findings)["DISCORD_TOKEN"] is Verdict.FAILURE
    assert verdicts(findings)["Discord"] is Verdict.SKIPPED


async def test_intent_that_is_off(place: Place) -> None:
    place.discord.gateway.application_flags = 0
    found = await place.find("privileged intents")
    assert found.verdict is Verdict.FAILURE
    assert "Server Members Intent" in (found.fix or "") + found.result


async def test_guild_role_and_permissions(place: Place) -> None:
    nobody = Snowflake(7)
    assert (await place.find("main guild", moddy_guild_id=nobody)).verdict is Verdict.FAILURE
    found = await place.find("premium role", moddy_premium_role_id=nobody)
    assert "MODDY_PREMIUM_ROLE_ID" in (found.fix or "")
    place.guild.move_role(place.role, 9)
    found = await place.find("premium role")
    assert found.verdict is Verdict.FAILURE
    assert "above Premium" in (found.fix or "")
    managed = place.guild.add_role("Booster", managed=True)
    found = await place.find("premium role", moddy_premium_role_id=Snowflake(managed.id))
    assert "integration" in found.result
    place.guild.set_bot_permissions(0)
    assert (await place.find("Manage Roles")).verdict is Verdict.FAILURE
    assert (await place.find("View Audit Log")).verdict is Verdict.NOTE


async def test_channels(place: Place) -> None:
    mute = place.guild.add_text_channel("mute", deny_bot=Permission.SEND_MESSAGES)
    setting = "MODDY_STAFF_LOG_CHANNEL_ID"
    found = await place.find(setting, moddy_staff_log_channel_id=Snowflake(mute.id))
    assert found.fix == "there, give Moddy: Send Messages"
    found = await place.find(setting, moddy_staff_log_channel_id=Snowflake(7))
    assert found.verdict is Verdict.FAILURE


async def test_discord_is_down(place: Place) -> None:
    place.discord.faults.add("GET", "/users/@me", status=503, times=20)
    found = await place.find("Discord")
    assert found.verdict is Verdict.FAILURE
    assert "503" in found.result


async def test_backend(place: Place) -> None:
    found = await place.find("backend", internal_api_secret="another")
    assert found.verdict is Verdict.FAILURE
    assert "INTERNAL_API_SECRET differs" in (found.fix or "")
    away = URL(f"http://127.0.0.1:{free_port()}")
    assert "port" in ((await place.find("backend", backend_internal_url=away)).fix or "")
    unknown = URL("http://nobody.invalid:8080")
    found = await place.find("name nobody.invalid", backend_internal_url=unknown)
    assert found.verdict is Verdict.FAILURE


@pytest.mark.slow
async def test_port_that_is_taken(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = await check_port(port, setting="INTERNAL_PORT")
        assert found.verdict is Verdict.FAILURE
        assert "INTERNAL_PORT" in (found.fix or "")
    async with serve(make_public_app(), 0, setting="PORT") as runner:
        found = await check_port(bound_port(runner), setting="PORT")
        assert found.verdict is Verdict.OK
        assert "a Moddy" in found.result


async def test_store(place: Place, tmp_path: Path) -> None:
    fresh = f"sqlite:///{tmp_path / 'new' / 'moddy.db'}"
    assert (await place.find("store", database_url=fresh)).verdict is Verdict.OK
    assert not (tmp_path / "new").exists()
    empty = tmp_path / "empty.db"
    empty.touch()
    found = await place.find("schema", database_url=f"sqlite:///{empty}")
    assert found.verdict is Verdict.NOTE
    assert "moddy migrate" in (found.fix or "")
    newer = sa.text("UPDATE alembic_version SET version_num = '9999'")
    async with open_database(place.settings.database_url) as database:
        await database.transaction(lambda c: c.execute(newer))
    assert (await place.find("schema")).verdict is Verdict.FAILURE
    nowhere = f"postgresql://u:planted@127.0.0.1:{free_port()}/moddy"
    found = await place.find("store", database_url=nowhere)
    assert found.verdict is Verdict.FAILURE
    assert "planted" not in str(found)


async def test_store_on_postgresql(place: Place, postgresql_url: str) -> None:
    async with open_database(postgresql_url) as database:
        await migrate(database)
    for check in ("store", "schema"):
        assert (await place.find(check, database_url=postgresql_url)).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("date", "verdict"),
    [
        ("Wed, 01 Jan 2020 00:00:00 GMT", Verdict.FAILURE),
        ("soon", Verdict.SKIPPED),
    ],
)
async def test_clock(date: str, verdict: Verdict) -> None:
    async def gateway(_request: web.Request) -> web.Response:
        return web.Response(headers={"Date": date})

    app = web.Application()
    app.router.add_get("/gateway", gateway)
    async with serve(app, 0, setting="PORT") as runner:
        url = URL(f"http://127.0.0.1:{bound_port(runner)}")
        assert (await check_clock(url)).verdict is verdict


def test_wrong_setting_is_named_and_its_value_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_doctor({"INTERNAL_PORT": "planted"}, as_json=True) == 1
    printed = capsys.readouterr().out
    [finding] = json.loads(printed)
    assert (finding["check"], finding["verdict"]) == ("INTERNAL_PORT", "failure")
    assert "planted" not in printed
    assert run_doctor({"INTERNAL_PORT": "planted"}, as_json=False) == 1
    assert "INTERNAL_PORT" in capsys.readouterr().out


def test_nothing_is_cut_where_the_terminal_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    show([failure("Discord token", "refused", f"reset it ({PORTAL}) and set DISCORD_TOKEN")])
    printed = "".join(capsys.readouterr().out.split())
    assert PORTAL in printed

"""The sandbox: Moddy as it is, in a Discord in memory, beside a reference backend."""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from msgspec import Struct

from moddy.app import Moddy, open_moddy
from moddy.config import Settings, read_environment
from moddy.models import Snowflake
from moddy.sandbox.backend import ReferenceBackend, Seed, running_backend
from moddy.sandbox.window import Window, open_window
from moddy.sandbox.world import (
    AGENT,
    AWAY_CUSTOMER,
    CLOSED_CUSTOMER,
    CUSTOMER,
    SUPERVISOR,
    World,
)
from moddy.staff import StaffMember, StaffRole
from moddy.store import staff

# Nobody's: there is no such Discord user.
UNKNOWN_USER_ID = "4"


class Sandbox(Struct, frozen=True, kw_only=True):
    """Everything that runs; `backend.url` and `window.url` are the pages for people."""

    backend: ReferenceBackend
    world: World
    window: Window
    moddy: Moddy


@asynccontextmanager
async def open_sandbox(*, port: int | None = None) -> AsyncIterator[Sandbox]:
    """Run the sandbox on 127.0.0.1 until the block ends.

    The backend's page listens on `port` and Discord's page on the next one; None means any
    free ones. Everything is forgotten at the end.

    Raises:
        AddressInUse: a port is taken.
    """
    secret = secrets.token_urlsafe(32)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moddy-sandbox-")))
        world = World()
        backend = await stack.enter_async_context(
            running_backend(secret=secret, seeds=_seeds(world), port=port or 0)
        )
        settings = _settings(world, backend, secret=secret, directory=directory)
        moddy = await stack.enter_async_context(
            open_moddy(settings, connect=world.connect, loopback=True)
        )
        await _appoint_supervisor(moddy, world)
        window = await stack.enter_async_context(
            open_window(world, port=0 if port is None else port + 1)
        )
        backend.moddy.base_url = moddy.internal_url
        backend.page.discord = window
        yield Sandbox(backend=backend, world=world, window=window, moddy=moddy)


async def run_sandbox(*, port: int | None = None, open_browser: bool = True) -> None:
    """Run the sandbox and say where, until it is cancelled."""
    async with open_sandbox(port=port) as sandbox:
        pages = {
            "Website backend": str(sandbox.backend.url),
            "Discord": sandbox.window.url,
        }
        click.echo("Moddy is in the sandbox: no token, no network, nothing is kept.\n")
        for name, address in pages.items():
            click.echo(f"  {name:<16} {address}")
        click.echo("\nPress Ctrl+C to end it.")
        if open_browser and sys.stdout.isatty() and has_display(read_environment()):
            for address in pages.values():
                await asyncio.to_thread(webbrowser.open, address)
        await asyncio.Event().wait()


def has_display(environ: Mapping[str, str], *, platform: str = sys.platform) -> bool:
    """Tell whether a browser window could be opened here."""
    if platform in {"darwin", "win32"}:
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


async def _appoint_supervisor(moddy: Moddy, world: World) -> None:
    """Have somebody to approve what Sam refunds; Sam, a developer, may everything else."""
    rita = StaffMember(
        discord_id=world.user_id(SUPERVISOR),
        role=StaffRole.SUPERVISOR,
        may_view=True,
        may_manage=True,
        added_by=world.user_id(AGENT),
        added_at=datetime.now(UTC),
    )
    await moddy.database.transaction(lambda c: staff.save(c, rita))


def _settings(world: World, backend: ReferenceBackend, *, secret: str, directory: Path) -> Settings:
    return Settings(
        # 0: any free one. Only settings of the environment must name a port.
        internal_port=0,
        internal_api_secret=secret,
        backend_internal_url=backend.url,
        database_url=f"sqlite:///{directory / 'moddy.db'}",
        moddy_guild_id=world.guild_id,
        moddy_premium_role_id=world.premium_role_id,
        moddy_staff_log_channel_id=Snowflake(world.staff_log.id),
        moddy_website_url=backend.url,
        developer_ids=frozenset({world.user_id(AGENT)}),
        shard_count=1,
    )


def _seeds(world: World) -> Sequence[Seed]:
    people = {
        CUSTOMER: ("in the server, takes direct messages", None),
        CLOSED_CUSTOMER: ("in the server, takes no direct messages; speaks French", None),
        AGENT: ("support agent, and a customer too", "moddy_plus"),
        AWAY_CUSTOMER: ("on Discord, but not in the server", "moddy_max"),
    }
    known = [
        Seed(
            discord_id=world.user_id(person),
            name=person.name,
            email=f"{person.name.lower()}@example.com",
            phone="+33 1 99 00 00 00",
            note=note,
            plan=plan,
        )
        for person, (note, plan) in people.items()
    ]
    unknown = Seed(
        discord_id=UNKNOWN_USER_ID,
        name="Unknown",
        email="unknown@example.com",
        phone="+33 1 99 00 00 01",
        note="gave the website a Discord id that is nobody's",
    )
    return [*known, unknown]

"""Checks of the machine: settings, ports, the store, the clock, names."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import sqlalchemy as sa
from yarl import URL

from moddy.config import Settings
from moddy.doctor.findings import Finding, failure, note, ok, skipped
from moddy.errors import AddressInUse, StoreUnavailable
from moddy.store.console import find_revision
from moddy.store.database import Database, open_database
from moddy.store.migrate import HEAD
from moddy.store.transactions import Connection
from moddy.web.server import open_socket

# What a Moddy says of itself on both of its ports.
OWN_SERVICE = "moddy-bot-internal"
DISCORD = URL("https://discord.com/api/v10")
# Seconds. Times of events and premium's ends are compared with other machines' clocks.
CLOCK_NOTE = 5.0
CLOCK_FAILURE = 60.0
PROBE_TIMEOUT = 5.0


class _Undo(Exception):
    """Ends a transaction without a trace."""


def check_settings(settings: Settings) -> list[Finding]:
    """Look for settings that are missing, or lack another."""
    wanted = {
        "DISCORD_TOKEN": (settings.discord_token, "Moddy does not start without it"),
        "INTERNAL_API_SECRET": (
            settings.internal_api_secret,
            "without it the internal API answers 503 and the backend cannot be called",
        ),
    }
    useful = {
        "MODDY_GUILD_ID": (settings.moddy_guild_id, "role updates are answered 503"),
        "MODDY_PREMIUM_ROLE_ID": (
            settings.moddy_premium_role_id,
            "role updates by plan are answered 503",
        ),
        "MODDY_NOTIFY_CHANNEL_ID": (
            settings.moddy_notify_channel_id,
            "customers with closed DMs see their messages with their next command only",
        ),
        "MODDY_STAFF_LOG_CHANNEL_ID": (
            settings.moddy_staff_log_channel_id,
            "what staff do is in the store only, and nobody sees an approval that waits",
        ),
        "MODDY_WEBSITE_URL": (settings.moddy_website_url, "messages have no button to the website"),
    }
    found = [
        failure(name, f"not set: {why}", f"set {name}")
        for name, (value, why) in wanted.items()
        if value is None
    ]
    found += [
        note(name, f"not set: {why}", f"set {name} if you want it")
        for name, (value, why) in useful.items()
        if value is None
    ]
    return [ok("settings", "every value that is set can be read"), *found]


async def check_port(port: int, *, setting: str) -> Finding:
    """Look whether a port can be served on, or is by a Moddy already."""
    check = f"port {port} ({setting})"
    try:
        open_socket(port, setting, loopback=False).close()
    except AddressInUse as error:
        if OWN_SERVICE in await _read(URL(f"http://127.0.0.1:{port}/")):
            return ok(check, "a Moddy serves on it")
        return failure(check, "something else holds it", str(error))
    if not socket.has_dualstack_ipv6():
        return note(check, "free; no IPv6 here, so only IPv4 will be served")
    return ok(check, "free, for IPv6 and IPv4")


async def check_store(settings: Settings) -> list[Finding]:
    """Look whether the store is there, current and writable; nothing is kept or created."""
    path = sqlite_path(settings.database_url)
    if path is not None and not path.exists():
        return [_check_directory(path)]
    try:
        async with open_database(settings.database_url) as database:
            return [await _check_revision(database), await _check_writing(database)]
    except StoreUnavailable as error:
        cause = error.__cause__ or error
        return [
            failure(
                "store",
                f"cannot be reached ({type(cause).__name__})",
                "check DATABASE_URL, that the database runs, and that this machine may use it",
            )
        ]


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite address, None for PostgreSQL."""
    scheme, _, rest = url.partition("://")
    return Path(rest.removeprefix("/")) if scheme == "sqlite" else None


def _check_directory(path: Path) -> Finding:
    directory = next(one for one in path.absolute().parents if one.exists())
    if os.access(directory, os.W_OK | os.X_OK):
        return ok("store", "not there yet; it is made at the first start")
    return failure(
        "store",
        "it is not there, and cannot be made",
        f"let this user write to {directory}, or point DATABASE_URL elsewhere",
    )


async def _check_revision(database: Database) -> Finding:
    revision = await database.read(find_revision)
    if revision == HEAD:
        return ok("schema", f"current ({HEAD})")
    if revision is None or revision < HEAD:
        return note(
            "schema",
            f"older ({revision or 'empty'}, this version has {HEAD})",
            "the next start migrates it; to do it now: moddy migrate",
        )
    return failure(
        "schema",
        f"newer than this Moddy ({revision}, this version has {HEAD})",
        "run the newer Moddy again, or restore a backup from before the upgrade",
    )


async def _check_writing(database: Database) -> Finding:
    """Make a table and take it back."""

    async def work(connection: Connection) -> None:
        await connection.execute(sa.text("CREATE TABLE moddy_doctor (id INTEGER)"))
        raise _Undo

    try:
        with suppress(_Undo):
            await database.transaction(work)
    except (StoreUnavailable, sa.exc.DBAPIError) as error:
        return failure(
            "store",
            f"cannot be written ({type(error.__cause__ or error).__name__})",
            "give its user all rights on the database, and look for a full disk or a long lock",
        )
    return ok("store", "can be reached and written")


async def check_clock(api: URL) -> Finding:
    """Compare this machine's clock with Discord's."""
    timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(api / "gateway") as response,
        ):
            theirs = parsedate_to_datetime(response.headers["Date"])
    except (aiohttp.ClientError, OSError, TimeoutError, KeyError, ValueError):
        return skipped("clock", "Discord did not tell the time")
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    fix = "have the machine's clock set from the network (NTP)"
    if apart >= CLOCK_FAILURE:
        return failure("clock", f"{apart:.0f} s away from Discord's", fix)
    if apart >= CLOCK_NOTE:
        return note("clock", f"{apart:.0f} s away from Discord's", fix)
    return ok("clock", "as Discord's")


async def check_name(url: URL) -> Finding:
    """Look up the addresses of the backend's name."""
    check = f"name {url.host}"
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return failure(
            check,
            "has no address",
            "check the service's name in BACKEND_INTERNAL_URL; private names are known within "
            "one project and environment only, and not for the first seconds after a start",
        )
    present = {family for family, *_ in found}
    names = {socket.AF_INET: "IPv4 (A)", socket.AF_INET6: "IPv6 (AAAA)"}
    return ok(check, " and ".join(name for family, name in names.items() if family in present))


async def _read(url: URL) -> str:
    """Return what a page of this machine says; nothing when it does not answer."""
    timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return (await response.content.read(1000)).decode(errors="replace")
    except (aiohttp.ClientError, OSError, TimeoutError):
        return ""

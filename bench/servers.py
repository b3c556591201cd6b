"""The servers under load, each a process of its own: ``python -m bench.servers``."""

from __future__ import annotations

import asyncio
import gc
import sys

import click
import uvloop
from aiohttp import web

from bench.endpoint import SECRET, make_endpoint
from moddy.config import LogFormat, LogLevel
from moddy.logs import configure_logging
from moddy.running import SWITCH_INTERVAL
from moddy.store.database import open_database
from moddy.store.migrate import migrate
from moddy.web.server import serve
from tests.fakes import FakeMessenger

CONSTANT = b'{"success":true,"message":"User notified successfully","notification_sent":true}'


async def serve_moddy(port: int, database_url: str, *, stored: bool) -> None:
    """Serve Moddy's internal API, as `python -m moddy` runs."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    async with open_database(database_url) as database:
        await migrate(database)
        app = make_endpoint(database, FakeMessenger(), stored=stored)
        async with serve(app, port, setting="INTERNAL_PORT", loopback=True):
            gc.freeze()
            await asyncio.Event().wait()


async def serve_bare(port: int) -> None:
    """Serve an aiohttp handler that reads the body and returns constant bytes."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=CONSTANT, content_type="application/json")

    app = web.Application()
    app.router.add_get("/internal/health", handle)
    app.router.add_post("/internal/notify", handle)
    async with serve(app, port, setting="PORT", loopback=True):
        await asyncio.Event().wait()


async def serve_comparator(port: int, *, lean: bool) -> None:
    """Serve FastAPI beside a loop that stands for the bot's."""
    from bench.comparator import make_api, serve_in_thread  # noqa: PLC0415 (not Moddy's memory)

    async def notify(_request: object) -> None:
        return None

    loop = asyncio.get_running_loop()
    app = make_api(SECRET, loop, notify=notify, is_ready=lambda: True, lean=lean)
    serve_in_thread(app, port)
    await asyncio.Event().wait()


@click.command()
@click.argument("kind", type=click.Choice(["moddy", "forgetful", "bare", "comparator", "lean"]))
@click.option("--port", type=int, required=True)
@click.option("--database-url", default="")
def main(kind: str, port: int, database_url: str) -> None:
    """Serve until SIGTERM."""
    configure_logging(LogLevel.INFO, LogFormat.JSON, gather=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if kind == "bare":
            runner.run(serve_bare(port))
        elif kind in ("comparator", "lean"):
            runner.run(serve_comparator(port, lean=kind == "lean"))
        else:
            runner.run(serve_moddy(port, database_url, stored=kind == "moddy"))


if __name__ == "__main__":
    sys.exit(main())

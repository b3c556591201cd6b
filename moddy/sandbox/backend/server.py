"""The reference backend as one thing: books, endpoints, page, and a client of Moddy."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web
from yarl import URL

from moddy.errors import AddressInUse
from moddy.sandbox.backend.billing import Seed
from moddy.sandbox.backend.books import Books, open_books
from moddy.sandbox.backend.buttons import Buttons
from moddy.sandbox.backend.internal import InternalApi, require_secret
from moddy.sandbox.backend.moddy_client import ModdyClient
from moddy.sandbox.backend.page import Page, refuse_strangers


class ReferenceBackend:
    """A running reference backend.

    `url` is where it listens; `moddy` its client of Moddy, whose `base_url` may be set once Moddy
    is up; `buttons` what the page can do; `page.discord` the Discord page to link to.
    """

    def __init__(
        self,
        books: Books,
        session: aiohttp.ClientSession,
        *,
        secret: str,
        signing_secrets: Sequence[str] = (),
        now: Callable[[], datetime],
    ) -> None:
        self.books = books
        self.secret = secret
        self.signing_secrets = signing_secrets
        self.moddy = ModdyClient(session, secret=secret, signing_secrets=signing_secrets)
        self.buttons = Buttons(books, self.moddy, now=now)
        self.page = Page(books, self.moddy, self.buttons)
        self.url = URL()


def make_backend_app(backend: ReferenceBackend) -> web.Application:
    """Return the application: the six endpoints and the page."""
    guard = require_secret(backend.secret, backend.signing_secrets)
    app = web.Application(middlewares=[guard, refuse_strangers])
    app.add_routes(InternalApi(backend.books).routes())
    app.add_routes(backend.page.routes())
    return app


@asynccontextmanager
async def running_backend(
    *,
    secret: str,
    signing_secrets: Sequence[str] = (),
    seeds: Sequence[Seed] = (),
    moddy_url: URL | None = None,
    port: int = 0,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[ReferenceBackend]:
    """Run a reference backend on 127.0.0.1 until the block ends.

    Its database lives in a temporary directory. `port` 0 means any free one. With
    `signing_secrets`, as INTERNAL_SIGNING_SECRETS has them, it signs and asks for signatures.

    Raises:
        AddressInUse: the port is taken.
    """
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moddy-backend-")))
        books = await stack.enter_async_context(open_books(directory, seeds=seeds, now=now))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        backend = ReferenceBackend(
            books, session, secret=secret, signing_secrets=signing_secrets, now=now
        )
        backend.moddy.base_url = moddy_url
        runner = web.AppRunner(make_backend_app(backend), access_log=None, shutdown_timeout=1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError as error:
            raise AddressInUse(f"port {port} of 127.0.0.1 cannot be opened") from error
        backend.url = URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1])
        yield backend

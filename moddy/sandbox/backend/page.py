"""The plain page: its files, the state it shows, its buttons, and its protection."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Protocol

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from moddy.sandbox.backend.billing import Account, BillingError, ReceivedEvent, SubscriptionState
from moddy.sandbox.backend.books import Books
from moddy.sandbox.backend.buttons import Buttons, Choice
from moddy.sandbox.backend.moddy_client import Exchange, ModdyClient
from moddy.sandbox.backend.wire import InvoiceRecord

FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
SHOWN_EVENTS = 50


class DiscordView(Struct, frozen=True, kw_only=True):
    """A channel that the Discord page can show."""

    name: str
    label: str


class DiscordWindow(Protocol):
    """The Discord page beside this one."""

    @property
    def views(self) -> Sequence[DiscordView]:
        """What it can show."""
        ...

    @property
    def shown(self) -> str:
        """The name of the view that it shows."""
        ...

    @property
    def url(self) -> str:
        """Its address; a credential."""
        ...

    async def show(self, name: str) -> None:
        """Show another view; KeyError when there is none of that name."""
        ...

    @property
    def member_ids(self) -> Sequence[str]:
        """The Discord ids of those who are in the server."""
        ...

    async def set_member(self, discord_id: str, *, member: bool) -> None:
        """Have somebody come into the server, or leave it; KeyError when there is nobody."""
        ...


class CustomerState(Struct, frozen=True, kw_only=True):
    """A customer as the page shows them."""

    account: Account
    subscription: SubscriptionState | None
    invoices: Sequence[InvoiceRecord]


class DiscordState(Struct, frozen=True, kw_only=True):
    """What the page knows of the Discord page."""

    url: str
    shown: str
    views: Sequence[DiscordView]
    member_ids: Sequence[str]


class PageState(Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    moddy_url: str | None
    customers: Sequence[CustomerState]
    exchanges: Sequence[Exchange]
    events: Sequence[ReceivedEvent]
    discord: DiscordState | None


class ViewChoice(Struct, frozen=True, kw_only=True):
    """The Discord view to show."""

    view: str


class Membership(Struct, frozen=True, kw_only=True):
    """Whether somebody is to be in the server."""

    member: bool


@web.middleware
async def refuse_strangers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep other websites out of the page: name rebinding, and requests they make in a browser.

    The endpoints under ``/internal`` have the shared secret instead.
    """
    if request.path.startswith("/internal"):
        return await handler(request)
    port = request.get_extra_info("sockname", ("", 0))[1]
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if request.host not in hosts:
        return _problem(403, "Unknown host")
    if request.method != "GET":
        if request.headers.get("Origin") not in {f"http://{host}" for host in hosts}:
            return _problem(403, "Request from another origin")
        if request.content_type != "application/json":
            return _problem(415, "Expected application/json")
    return await handler(request)


class Page:
    """Handlers of the page. `discord` may be set later, once there is a Discord to show."""

    def __init__(self, books: Books, moddy: ModdyClient, buttons: Buttons) -> None:
        self._books = books
        self._moddy = moddy
        self._buttons = buttons
        self.discord: DiscordWindow | None = None

    def routes(self) -> list[web.RouteDef]:
        """Return the page's routes."""
        return [
            *(web.get(path, self.file) for path in FILES),
            web.get("/api/state", self.state),
            web.post("/api/customers/{discord_id}/{button}", self.press),
            web.post("/api/view", self.view),
            web.post("/api/members/{discord_id}", self.set_member),
        ]

    async def file(self, request: web.Request) -> web.Response:
        """Serve one of the page's files."""
        name, kind = FILES[request.path]
        text = files(__package__).joinpath("static", name).read_text("utf-8")
        return web.Response(text=text, content_type=kind, charset="utf-8", headers=HEADERS)

    async def state(self, request: web.Request) -> web.Response:
        """Tell everything the page shows."""
        async with self._books.billing() as billing:
            customers = [
                CustomerState(
                    account=account,
                    subscription=await billing.find_subscription(account.discord_id),
                    invoices=await billing.list_invoices(account.discord_id, limit=5),
                )
                for account in await billing.list_accounts()
            ]
            events = await billing.list_events(limit=SHOWN_EVENTS)
        base_url = self._moddy.base_url
        return _json(
            PageState(
                moddy_url=None if base_url is None else str(base_url),
                customers=customers,
                exchanges=list(self._moddy.exchanges),
                events=events,
                discord=self._discord_state(),
            )
        )

    async def press(self, request: web.Request) -> web.Response:
        """Press a button for a customer."""
        try:
            choice = msgspec.json.decode(await request.read(), type=Choice)
            exchanges = await self._buttons.press(
                request.match_info["button"], request.match_info["discord_id"], choice
            )
        except msgspec.DecodeError:
            return _problem(422, "Expected a plan and a billing period")
        except BillingError as refusal:
            return _problem(409, str(refusal))
        return _json({"exchanges": exchanges})

    async def view(self, request: web.Request) -> web.Response:
        """Have the Discord page show another channel."""
        if self.discord is None:
            return _problem(404, "There is no Discord page")
        try:
            choice = msgspec.json.decode(await request.read(), type=ViewChoice)
            await self.discord.show(choice.view)
        except (msgspec.DecodeError, KeyError):
            return _problem(422, "Expected the name of a view")
        return _json(self._discord_state())

    async def set_member(self, request: web.Request) -> web.Response:
        """Have a customer come into the Discord server, or leave it."""
        if self.discord is None:
            return _problem(404, "There is no Discord page")
        try:
            wanted = msgspec.json.decode(await request.read(), type=Membership)
            await self.discord.set_member(request.match_info["discord_id"], member=wanted.member)
        except msgspec.DecodeError:
            return _problem(422, "Expected whether they are a member")
        except KeyError:
            return _problem(409, "Nobody on Discord has this id")
        return _json(self._discord_state())

    def _discord_state(self) -> DiscordState | None:
        if self.discord is None:
            return None
        return DiscordState(
            url=self.discord.url,
            shown=self.discord.shown,
            views=self.discord.views,
            member_ids=self.discord.member_ids,
        )


def _json(value: object, *, status: int = 200) -> web.Response:
    body = msgspec.json.encode(value)
    return web.Response(status=status, body=body, content_type="application/json", headers=HEADERS)


def _problem(status: int, text: str) -> web.Response:
    return _json({"error": text}, status=status)

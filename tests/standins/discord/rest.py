"""The REST side: routing, tokens, faults, recording."""

import asyncio
import json
import time
from typing import Any

from aiohttp import web

from tests.standins.discord.calls import Answer, Call, Route
from tests.standins.discord.changes import Changes
from tests.standins.discord.errors import DiscordError
from tests.standins.discord.faults import Fault, Faults

PREFIX = "/api/v10"
_CLOUDFLARE_PAGE = "<!DOCTYPE html><html><title>Access denied | discord.com</title></html>"


class Rest:
    """Serves the routes; ``calls`` has every call, ``unknown_routes`` those without a route."""

    def __init__(self, routes: list[Route], tokens: set[str], changes: Changes) -> None:
        self._routes = routes
        self._tokens = tokens
        self._changes = changes
        self._stopping = asyncio.Event()
        self.calls: list[Call] = []
        self.unknown_routes: list[str] = []
        self.faults = Faults()

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Hang the routes into an aiohttp application."""
        for route in self._routes:
            router.add_route(route.method, PREFIX + route.path, self._handler(route))
        router.add_route("*", "/{unknown:.*}", self._handler(None))

    def stop(self) -> None:
        """Let no call hang in a delay any more."""
        self._stopping.set()

    def _handler(self, route: Route | None) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            call = await _call_of(request)
            self.calls.append(call)
            self._changes.notify()
            fault = self.faults.take(call.method, call.path)
            try:
                response = await self._serve(request, route, call, fault)
            finally:
                call.answered_at = time.time()
                self._changes.notify()
            if response is None:
                # Nothing can be written to the cut connection; aiohttp needs some response.
                return web.Response(status=500)
            call.status = response.status
            self._changes.notify()
            return response

        return handle

    async def _serve(
        self, request: web.Request, route: Route | None, call: Call, fault: Fault | None
    ) -> web.Response | None:
        if fault is not None and fault.delay and await self._stopped_within(fault.delay):
            return _json_response(503, {"message": "stopping", "code": 0})
        if fault is not None and fault.spoils_answer:
            if fault.apply:
                self._answer(request, route, call)
            return _spoiled(request, fault)
        return self._answer(request, route, call)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _answer(self, request: web.Request, route: Route | None, call: Call) -> web.Response:
        if route is None:
            self.unknown_routes.append(f"{call.method} {call.path}")
            return _json_response(404, {"message": "404: Not Found", "code": 0})
        if route.needs_token and not self._may(request):
            return _json_response(401, {"message": "401: Unauthorized", "code": 0})
        try:
            if call.malformed:
                raise DiscordError.of(50109)
            answer = route.handle(call)
        except DiscordError as error:
            answer = Answer(error.status, error.body)
        return _json_response(answer.status, answer.body)

    def _may(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme == "Bot" and token in self._tokens


async def _call_of(request: web.Request) -> Call:
    headers = {name: text for name, text in request.headers.items() if name != "Authorization"}
    call = Call(
        method=request.method,
        path=request.path.removeprefix(PREFIX),
        query=dict(request.query),
        headers=headers,
        parameters=dict(request.match_info),
    )
    if request.content_type == "multipart/form-data":
        await _read_form(request, call)
    else:
        _take_json(call, await request.read())
    return call


def _take_json(call: Call, text: str | bytes) -> None:
    try:
        call.json = json.loads(text) if text else None
    except ValueError:
        call.malformed = True


async def _read_form(request: web.Request, call: Call) -> None:
    """Take the JSON part and the names of the files out of a form."""
    form = await request.post()
    for name, part in form.items():
        if isinstance(part, web.FileField):
            call.files.append(part.filename)
        elif name == "payload_json":
            _take_json(call, part if isinstance(part, str) else bytes(part))


def _spoiled(request: web.Request, fault: Fault) -> web.Response | None:
    if fault.drop:
        if request.transport is not None:
            request.transport.abort()
        return None
    status = fault.status or 500
    if fault.cloudflare:
        wait = fault.headers.get("Retry-After")
        return web.Response(
            status=status,
            text=_CLOUDFLARE_PAGE,
            content_type="text/html",
            headers={"Retry-After": wait} if wait else None,
        )
    return _json_response(status, fault.body, fault.headers)


def _json_response(
    status: int, body: Any = None, headers: dict[str, str] | None = None
) -> web.Response:
    # Clients take a 429 for Discord's own only with a Via header, and parse a body only when
    # the content type is exactly this, with no charset.
    common = {"Via": "1.1 google", **(headers or {})}
    if body is None:
        return web.Response(status=status, headers=common)
    common["Content-Type"] = "application/json"
    return web.Response(status=status, body=json.dumps(body).encode(), headers=common)

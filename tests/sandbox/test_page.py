"""The page: what its buttons tell Moddy, what it shows, and whom it lets in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from moddy import models
from moddy.notices import NotifyMetadata
from moddy.sandbox.backend import ReferenceBackend, Seed, running_backend

SECRET = "secret-of-the-test"
ADA = "1001"
SAM = "1002"
SEEDS = [
    Seed(discord_id=ADA, name="Ada", email="ada@example.com", phone="+33 1"),
    Seed(discord_id=SAM, name="Sam", email="sam@example.com", phone="+33 2", plan="moddy_plus"),
]


class ListeningModdy:
    """Takes what Moddy would be told, and answers as it would."""

    def __init__(self) -> None:
        self.notified: list[models.InternalNotifyUserRequest] = []
        self.roles: list[models.InternalUpdateRolesRequest] = []
        self.authorizations: set[str | None] = set()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/internal/notify", self._notify)
        app.router.add_post("/internal/roles/update", self._update_roles)
        return app

    async def _notify(self, request: web.Request) -> web.Response:
        self.authorizations.add(request.headers.get("Authorization"))
        kind = models.InternalNotifyUserRequest
        self.notified.append(models.decoder(kind).decode(await request.read()))
        answer = {"success": True, "message": "User notified successfully"}
        return web.json_response(answer | {"notification_sent": True})

    async def _update_roles(self, request: web.Request) -> web.Response:
        self.authorizations.add(request.headers.get("Authorization"))
        kind = models.InternalUpdateRolesRequest
        self.roles.append(models.decoder(kind).decode(await request.read()))
        return web.json_response({"detail": "out of order"}, status=500)


@pytest.fixture
async def moddy() -> ListeningModdy:
    return ListeningModdy()


@pytest.fixture
async def backend(moddy: ListeningModdy) -> AsyncIterator[ReferenceBackend]:
    async with (
        TestServer(moddy.app()) as server,
        running_backend(secret=SECRET, seeds=SEEDS, moddy_url=server.make_url("/")) as backend,
    ):
        yield backend


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        yield session


class Visitor:
    """Does what the page's script does."""

    def __init__(self, session: aiohttp.ClientSession, backend: ReferenceBackend) -> None:
        self._session = session
        self._url = backend.url
        self.headers = {"Origin": str(backend.url).rstrip("/")}

    async def press(self, button: str, discord_id: str, **choice: str) -> tuple[int, Any]:
        url = self._url.joinpath("api", "customers", discord_id, button)
        async with self._session.post(url, json=choice, headers=self.headers) as response:
            return response.status, await response.json()

    async def state(self) -> Any:
        async with self._session.get(self._url.joinpath("api", "state")) as response:
            assert response.status == 200
            return await response.json()


@pytest.fixture
def visitor(session: aiohttp.ClientSession, backend: ReferenceBackend) -> Visitor:
    return Visitor(session, backend)


async def test_subscribe_tells_moddy_everything(visitor: Visitor, moddy: ListeningModdy) -> None:
    status, _ = await visitor.press("subscribe", ADA, plan="moddy_max", period="yearly")
    assert status == 200
    (told,) = moddy.notified
    assert (told.discord_id, told.plan) == (ADA, "moddy_max")
    assert told.action is models.NotifyAction.SUBSCRIPTION_CREATED
    assert told.metadata is not None
    assert told.metadata["email"] == "ada@example.com"
    assert told.metadata["phone"] == "+33 1"
    read = NotifyMetadata.read(told.metadata)
    assert (read.amount_minor, read.currency, read.subscription_type) == (9990, "EUR", "yearly")
    assert None not in {read.event_id, read.event_created, read.current_period_end}
    assert [(one.discord_id, one.plan) for one in moddy.roles] == [(ADA, "moddy_max")]
    assert moddy.authorizations == {f"Bearer {SECRET}"}


@pytest.mark.parametrize(
    ("button", "action", "plan", "roles"),
    [
        ("update", "subscription_updated", "moddy_plus", []),
        ("cancel-now", "subscription_cancelled", "moddy_plus", ["free"]),
        ("cancel-at-period-end", "subscription_cancelled", "moddy_plus", []),
        ("upgrade", "plan_upgraded", "moddy_max", ["moddy_max"]),
    ],
)
async def test_buttons_of_a_subscriber(
    *,
    visitor: Visitor,
    moddy: ListeningModdy,
    button: str,
    action: str,
    plan: str,
    roles: list[str],
) -> None:
    await visitor.press(button, SAM)
    assert [(told.action.value, told.plan) for told in moddy.notified] == [(action, plan)]
    assert [one.plan for one in moddy.roles] == roles


async def test_cancellation_now_and_at_period_end(visitor: Visitor, moddy: ListeningModdy) -> None:
    await visitor.press("cancel-at-period-end", SAM)
    await visitor.press("cancel-now", SAM)
    later, at_once = (NotifyMetadata.read(told.metadata) for told in moddy.notified)
    assert later.cancel_at_period_end
    assert later.current_period_end is not None
    assert later.canceled_at is not None
    assert later.current_period_end > later.canceled_at
    assert not at_once.cancel_at_period_end


async def test_up_and_down(visitor: Visitor, moddy: ListeningModdy) -> None:
    await visitor.press("upgrade", SAM)
    await visitor.press("downgrade", SAM)
    up, down = (NotifyMetadata.read(told.metadata) for told in moddy.notified)
    assert (up.old_plan, up.new_plan) == ("moddy_plus", "moddy_max")
    assert up.prorated_amount_minor is not None
    assert 0 < up.prorated_amount_minor < 500
    assert (down.old_plan, down.new_plan, down.prorated_amount_minor) == (
        "moddy_max",
        "moddy_plus",
        None,
    )


async def test_roles_follow_the_subscription(visitor: Visitor, moddy: ListeningModdy) -> None:
    await visitor.press("roles", SAM)
    await visitor.press("roles", ADA)
    assert [(one.discord_id, one.plan) for one in moddy.roles] == [
        (SAM, "moddy_plus"),
        (ADA, "free"),
    ]
    assert all(one.add_roles is None and one.remove_roles is None for one in moddy.roles)


@pytest.mark.parametrize(
    ("button", "discord_id"),
    [("subscribe", SAM), ("update", ADA), ("cancel-now", ADA), ("roles", "77"), ("dance", SAM)],
)
async def test_what_cannot_be_done_is_said(
    visitor: Visitor, moddy: ListeningModdy, button: str, discord_id: str
) -> None:
    status, answer = await visitor.press(button, discord_id)
    assert status == 409
    assert answer["error"]
    assert (moddy.notified, moddy.roles) == ([], [])


async def test_page_shows_requests_answers_and_events(
    visitor: Visitor, session: aiohttp.ClientSession, backend: ReferenceBackend
) -> None:
    await visitor.press("subscribe", ADA, plan="moddy_max", period="monthly")
    event = {"event_type": "member_left", "discord_id": ADA, "metadata": {"reason": "kick"}}
    bearer = {"Authorization": f"Bearer {SECRET}"}
    url = backend.url.joinpath("internal", "event", "notify")
    async with session.post(url, json=event, headers=bearer) as response:
        assert response.status == 200
    state = await visitor.state()
    calls = [(call["path"], call["status"]) for call in state["exchanges"]]
    assert calls == [("/internal/roles/update", 500), ("/internal/notify", 200)]
    assert state["exchanges"][1]["answer"]["notification_sent"] is True
    assert state["exchanges"][1]["request"]["discord_id"] == ADA
    assert [one["event_type"] for one in state["events"]] == ["member_left"]
    (ada,) = (one for one in state["customers"] if one["account"]["discord_id"] == ADA)
    assert ada["subscription"]["plan"] == "moddy_max"
    assert [one["amount"] for one in ada["invoices"]] == [999]


async def test_moddy_that_is_down_is_shown(
    visitor: Visitor, backend: ReferenceBackend, unused_tcp_port: int
) -> None:
    backend.moddy.base_url = URL.build(scheme="http", host="127.0.0.1", port=unused_tcp_port)
    status, answer = await visitor.press("roles", SAM)
    assert status == 200
    (call,) = answer["exchanges"]
    assert (call["status"], call["error"]) == (None, "No answer: ClientConnectorError")


async def test_page_holds_no_foreign_address(
    session: aiohttp.ClientSession, backend: ReferenceBackend
) -> None:
    for path in ("/", "/page.css", "/page.js"):
        async with session.get(backend.url.with_path(path)) as response:
            assert response.status == 200
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]
            assert "//" not in (await response.text()).replace("// ", "")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_other_websites_cannot_press(
    *,
    visitor: Visitor,
    session: aiohttp.ClientSession,
    backend: ReferenceBackend,
    moddy: ListeningModdy,
    headers: dict[str, str],
    status: int,
) -> None:
    given = {"Content-Type": "application/json"} | headers
    if status == 415:
        given |= visitor.headers
    url = backend.url.joinpath("api", "customers", SAM, "cancel-now")
    async with session.post(url, data="{}", headers=given) as response:
        assert response.status == status
    assert moddy.notified == []


async def test_rebound_name_cannot_read(
    session: aiohttp.ClientSession, backend: ReferenceBackend
) -> None:
    url = backend.url.joinpath("api", "state")
    async with session.get(url, headers={"Host": "evil.example"}) as response:
        assert response.status == 403


async def test_no_discord_page_without_a_discord(
    visitor: Visitor, session: aiohttp.ClientSession, backend: ReferenceBackend
) -> None:
    assert (await visitor.state())["discord"] is None
    url = backend.url.joinpath("api", "view")
    async with session.post(url, json={"view": "ada"}, headers=visitor.headers) as response:
        assert response.status == 404

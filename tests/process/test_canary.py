"""Secrets, e-mails, phone numbers and what people write: put in everywhere, found nowhere.

A real process, with all that goes wrong in it; what is searched is all that it tells operators.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from yarl import URL

from moddy.views.invoices import OPEN_INVOICES
from tests.postgres_server import Server
from tests.process.canary import Canaries, spellings
from tests.process.canary_stage import ACCOUNT, INFO, INVOICES, REFUND, Canary, canary
from tests.process.moddy_process import ModdyProcess
from tests.standins.backend import ANSWERS
from tests.test_sentry import sentry

__all__ = ["canary", "sentry"]


@pytest.mark.slow
@pytest.mark.parametrize("signs", [False, True], ids=["bearer", "signed"])
async def test_nothing_gets_out(canary: Canary, postgresql_server: Server, signs: bool) -> None:
    moddy = canary.start(signs=signs)
    async with moddy:
        await moddy.wait_healthy()
        await valid_requests(canary, moddy)
        await refused_requests(canary, moddy)
        await commands(canary)
        await mentions(canary)
        await discord_errors(canary, moddy)
        await backend_errors(canary, moddy)
        await store_errors(canary, moddy, postgresql_server)
        await malformed_events(canary, moddy)
        if signs:
            await refused_signatures(canary, moddy)
        metrics = await canary.call(moddy, "GET", "/internal/metrics")
        status = await canary.call(moddy, "GET", "/internal/status")
        document = await canary.call(moddy, "GET", "/internal/openapi.json")
    assert {response.status_code for response in (metrics, status, document)} == {200}
    said = set(moddy.messages)
    # What is searched did happen, and was logged.
    assert said >= {
        "request",
        "delivery attempted",
        "command",
        "command failed",
        "staff refused",
        "press",
        "press refused",
        "discord connection failed",
        "store unavailable",
        "commands synced",
    }
    reports = b"\n".join(canary.sentry.bodies).decode()
    assert "discord connection failed" in reports
    assert "ValueError" in reports
    outputs = {
        "standard output": "\n".join(moddy.output),
        "standard error": "\n".join(moddy.stderr),
        "answers": "\n".join(canary.answers),
        "Sentry": reports,
    }
    for name, text in outputs.items():
        assert not canary.planted.find(text), name


async def valid_requests(canary: Canary, moddy: ModdyProcess) -> None:
    """Send what the backend sends, with everybody's data in it."""
    plant = canary.planted
    metadata = {
        "email": plant.email("metadata"),
        "phone": plant.phone("metadata"),
        "message": plant.words("the message of the metadata"),
        "customer_id": plant.words("the customer id"),
        "subscription_id": plant.words("the subscription id"),
        "unknown": {"nested": [plant.words("unknown metadata")]},
        plant.email("a key of the metadata"): 1,
    }
    actions = ("created", "updated", "cancelled", "payment_failed", "admin_refund")
    for user_id in (str(canary.ada.id), "42"):
        for action in actions:
            name = action if "_" in action else f"subscription_{action}"
            body = {
                "discord_id": user_id,
                "action": name,
                "plan": "moddy_max",
                "metadata": metadata,
                "email": plant.email("an unknown field"),
            }
            key = {"Idempotency-Key": plant.email("the key").replace("@", ":")}
            how: dict[str, Any] = {
                "json": body,
                "headers": {**key, "User-Agent": plant.words("User-Agent")},
            }
            await canary.call(moddy, "POST", "/internal/notify", **how)
        roles = {"discord_id": user_id, "plan": "moddy_max", "note": plant.words("roles")}
        await canary.call(moddy, "POST", "/internal/roles/update", json=roles)
        await canary.call(moddy, "GET", f"/internal/users/{user_id}/premium")


async def refused_requests(canary: Canary, moddy: ModdyProcess) -> None:
    """Send what is refused for each of its parts."""
    plant = canary.planted
    good = {"discord_id": "42", "action": "subscription_created", "plan": "moddy_max"}
    for field in good:
        for wrong in (plant.words(field), {plant.words(field): 1}, [plant.words(field)], 1.5):
            body: dict[str, Any] = {**good, field: wrong}
            await canary.call(moddy, "POST", "/internal/notify", json=body)
            await canary.call(moddy, "POST", "/internal/roles/update", json=body)
    for field in ("event_id", "amount", "current_period_end", "cancel_at_period_end"):
        body = {**good, "metadata": {field: plant.words(field)}}
        await canary.call(moddy, "POST", "/internal/notify", json=body)
    text = json.dumps({**good, "plan": plant.words("broken JSON")})
    content = {"Content-Type": "application/json"}
    for broken in (text[:-1], text.replace(":", "="), "x" + text, text + text, "\x00" + text):
        await canary.call(moddy, "POST", "/internal/notify", content=broken, headers=content)
    for header in ("Authorization", "X-Request-ID", "Idempotency-Key", "Cookie", "Content-Type"):
        headers = {header: plant.words(header)}
        await canary.call(moddy, "POST", "/internal/notify", json=good, headers=headers)
    for path in ("users/{}/premium", "{}", "health?{}", "users/1/premium?email={}"):
        target = "/internal/" + path.format(plant.email("the path"))
        await canary.call(moddy, "GET", target)
        await canary.call(moddy, "GET", target, headers={"Authorization": ""})
    await canary.call(moddy, plant.secret("the method").upper(), "/internal/health")


async def refused_signatures(canary: Canary, moddy: ModdyProcess) -> None:
    """Send what is signed wrongly, with something of it in each header and in the body."""
    plant = canary.planted
    good = {"discord_id": "42", "action": "subscription_created", "plan": plant.words("a plan")}
    for header in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        headers = {header: plant.words(header)}
        response = await canary.call(moddy, "POST", "/internal/notify", json=good, headers=headers)
        assert response.status_code == 401
    await moddy.wait_line("signature refused")


async def commands(canary: Canary) -> None:
    """Use commands that work, with names and reasons of people."""
    plant, ada = canary.planted, canary.ada
    for command in ("subscription", "invoices", "profile"):
        await canary.use(command)
    for command in ("subscription", "invoices", "account", "deliveries", "audit"):
        await canary.use(f"admin {command}", canary.staff, user=ada)
        await canary.use(f"admin {command}", ada, user=canary.staff)  # who may not
    for amount in ("full", plant.words("an amount")[:100]):
        reason = plant.words("the reason of a refund")
        await canary.use("admin refund", canary.staff, user=ada, amount=amount, reason=reason)
    used = await canary.stage.discord.interaction(canary.ada, "subscription", canary.stage.guild)
    message = await used.wait_response(10)
    for button in (OPEN_INVOICES, plant.words("a custom id")):
        await press(canary, message, button)


async def press(canary: Canary, message: Any, custom_id: str) -> None:
    """Press a button of a message, or one that a modified client made up."""
    known = [part for part in walk(message.components) if part.get("custom_id")]
    chosen = next((part for part in known if part["custom_id"].startswith(custom_id)), known[0])
    made_up = {**chosen, "custom_id": chosen["custom_id"]}
    if not chosen["custom_id"].startswith(custom_id):
        made_up["custom_id"] = custom_id[:100]
        message.components.append({"type": 1, "id": 99, "components": [{**made_up, "id": 100}]})
    used = await canary.stage.discord.component_click(canary.ada, message, made_up["custom_id"])
    await used.wait_callback(10)


def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield all parts of a message."""
    for part in components:
        yield part
        yield from walk(part.get("components", []))
        if isinstance(part.get("accessory"), dict):
            yield part["accessory"]


async def mentions(canary: Canary) -> None:
    """Write to Moddy, and beside it, what is nobody else's business."""
    plant = canary.planted
    ada = canary.ada.mention
    for text in (
        f"sup.subscription {ada}",
        f"sup.invoices {plant.words('a mention')}",
        f"sup.refund {ada} full {plant.words('the reason of a mention')}",
        f"sup.{plant.words('an unknown command')}",
    ):
        await canary.mention(text)
    discord = canary.stage.discord
    await discord.message(canary.ada, canary.channel, plant.words("a message"))
    await discord.message(canary.ada, None, plant.words("a direct message"))


async def discord_errors(canary: Canary, moddy: ModdyProcess) -> None:
    """Have Discord refuse and fail in words of its own, for messages, roles and answers."""
    plant, faults = canary.planted, canary.stage.discord.faults
    for status, code in ((400, 50035), (403, 50013), (403, 50007), (404, 10003), (500, 0)):
        words = plant.words(f"Discord's {status}")
        faults.add("POST", "*/messages", status=status, code=code, message=words)
        faults.add("PUT", "*/roles/*", status=status, code=code, message=words)
        await moddy.notify(canary.ada.id, key=plant.secret("a key"))
        await moddy.update_roles(canary.ada.id, key=plant.secret("a key"))
        faults.clear()
    words = plant.words("Discord's answer to an answer")
    faults.add("PATCH", "*/messages/@original", status=400, code=50035, message=words)
    faults.add("POST", "/webhooks/*", status=400, code=50035, message=words, times=2)
    used = await canary.stage.discord.interaction(canary.ada, "profile", canary.stage.guild)
    await used.wait_callback(10)
    await moddy.wait_line("command failed")
    faults.clear()


async def backend_errors(canary: Canary, moddy: ModdyProcess) -> None:
    """Have the backend break its contract, refuse and fail in words of its own."""
    plant, backend = canary.planted, canary.stage.backend
    good = dict(backend.answers)
    wrong: list[dict[str, Any]] = [
        {"success": False, "message": plant.words("the backend's refusal")},
        {"success": plant.words("no truth value"), "message": 1},
        {**ANSWERS[INFO], "subscription": {plant.words("a field"): plant.words("its value")}},
        {**ANSWERS[INFO], "subscription": {**ANSWERS[INFO]["subscription"], "amount": "x@y.z"}},
        {"detail": plant.words("an error")},
    ]
    for answer in wrong:
        backend.answers |= {INFO: answer, INVOICES: answer, ACCOUNT: answer, REFUND: answer}
        await canary.use("subscription", canary.staff)
        await canary.use("admin account", canary.staff, user=canary.ada)
    secret, backend.secret = backend.secret, plant.secret("another secret")
    await canary.use("invoices", canary.staff)
    backend.secret = secret
    backend.answers = good
    await moddy.wait_line("command failed")


async def store_errors(canary: Canary, moddy: ModdyProcess, server: Server) -> None:
    """Have PostgreSQL refuse connections, whose errors name the address."""
    plant = canary.planted
    name = URL(canary.settings["DATABASE_URL"]).path.removeprefix("/")
    server.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    end_others = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
    server.execute(end_others)
    body = {"discord_id": "42", "action": "subscription_created", "plan": plant.words("a plan")}
    response = await canary.call(moddy, "POST", "/internal/notify", json=body)
    assert response.status_code == 503
    assert (await canary.call(moddy, "GET", "/internal/status")).status_code == 200
    await canary.use("profile")
    server.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
    await moddy.wait_health("healthy")


async def malformed_events(canary: Canary, moddy: ModdyProcess) -> None:
    """Have the gateway send what raises exceptions that say what they choked on."""
    plant, gateway = canary.planted, canary.stage.discord.gateway
    for event, payload in (
        ("GUILD_ROLE_DELETE", {"guild_id": plant.words("a guild's id"), "role_id": "1"}),
        ("MESSAGE_CREATE", {"channel_id": plant.words("a channel's id"), "author": {}}),
        ("INTERACTION_CREATE", {"id": plant.words("an interaction's id"), "type": 2}),
    ):
        before = moddy.messages.count("discord connection failed")
        await gateway.send_raw(event, payload)
        await moddy.wait_until(partial(has_more, moddy, before), what=f"the end that {event} makes")
        await moddy.wait_healthy()


def has_more(moddy: ModdyProcess, before: int) -> bool:
    """Tell whether the connection failed once more."""
    return moddy.messages.count("discord connection failed") > before


def test_canaries_are_found_however_they_are_spelt() -> None:
    planted = Canaries()
    words = planted.words("é")
    for spelling in spellings(words.rpartition(" ")[2]):
        assert planted.find(f"before {spelling} after")
    assert not planted.find("canary")
    assert {one.place for one in planted.find(words)} == {"é (words)", "é (e-mail)", "é (phone)"}

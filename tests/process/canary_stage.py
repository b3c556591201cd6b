"""A Moddy among canaries, and all that it is asked."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import httpx
import pytest
from yarl import URL

from moddy.sandbox.backend.signatures import sign
from tests.process.canary import Canaries
from tests.process.moddy_process import ModdyProcess
from tests.process.stage import Stage
from tests.standins.backend import ANSWERS
from tests.standins.discord import User
from tests.test_sentry import Sentry

INFO = ("POST", "/internal/subscription/info")
INVOICES = ("POST", "/internal/subscription/invoices")
ACCOUNT = ("POST", "/internal/user/info")
REFUND = ("POST", "/internal/subscription/refund")
# Whatever goes wrong is meant to.
ANY_ERROR = ""


class Signature(httpx.Auth):
    """Signs every request that is not signed yet."""

    requires_request_body = True

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the headers; httpx calls this."""
        for name, value in sign([self._secret], request.content).items():
            request.headers.setdefault(name, value)
        yield request


class Canary:
    """A Moddy among canaries: its settings, its Discord and its backend are full of them."""

    def __init__(self, stage: Stage, sentry: Sentry, database_url: str) -> None:
        self.stage = stage
        self.sentry = sentry
        self.planted = plant = Canaries()
        self.answers: list[str] = []
        token, secret = plant.secret("DISCORD_TOKEN"), plant.secret("INTERNAL_API_SECRET")
        stage.discord.tokens.add(token)
        stage.backend.secret = secret
        password = plant.secret("DATABASE_URL")
        guild = stage.guild
        guild.name = plant.words("the guild's name")
        stage.premium_role.name = plant.words("a role's name")
        self.channel = guild.add_text_channel(plant.words("a channel's name"))
        self.ada = self._add_person()
        self.staff = self._add_person()
        self.settings = {
            "DISCORD_TOKEN": token,
            "INTERNAL_API_SECRET": secret,
            "INTERNAL_API_SECRET_PREVIOUS": plant.secret("INTERNAL_API_SECRET_PREVIOUS"),
            "DATABASE_URL": str(URL(database_url).with_password(password)),
            "SENTRY_DSN": sentry.dsn,
            "DEVELOPER_IDS": str(self.staff.id),
            "REPORT_MESSAGES": "true",
            "LOG_LEVEL": "DEBUG",
        }
        stage.backend.answers |= self._backend_answers()

    def start(self, *, signs: bool) -> ModdyProcess:
        """Return a Moddy to start, with signed requests or without."""
        if not signs:
            return self.stage.moddy(ANY_ERROR, **self.settings)
        secrets = [self.planted.signing_secret("INTERNAL_SIGNING_SECRETS") for _ in range(2)]
        self.settings["INTERNAL_SIGNING_SECRETS"] = ",".join(secrets)
        moddy = self.stage.moddy(ANY_ERROR, **self.settings)
        moddy.http.auth = Signature(secrets[1])
        return moddy

    def _add_person(self) -> User:
        person = self.stage.add_member(self.planted.words("a user's name"))
        person.global_name = self.planted.words("a display name")
        return person

    def _backend_answers(self) -> dict[tuple[str, str], dict[str, Any]]:
        plant = self.planted
        account = {**ANSWERS[ACCOUNT], "email": plant.email("the account")}
        invoice = {
            **ANSWERS[INVOICES]["invoices"][0],
            "invoice_pdf": f"https://bills.example/{plant.secret('the address of an invoice')}",
            "customer_email": plant.email("an invoice"),
        }
        invoices = {**ANSWERS[INVOICES], "invoices": [invoice]}
        info = {**ANSWERS[INFO], "message": plant.words("the backend's message")}
        return {ACCOUNT: account, INVOICES: invoices, INFO: info}

    async def call(self, moddy: ModdyProcess, method: str, path: str, **how: Any) -> httpx.Response:
        """Call the internal API, and keep the answer to look through it."""
        response = await moddy.http.request(method, path, **how)
        self.answers.append(f"{response.headers} {response.text}")
        return response

    async def use(self, command: str, by: User | None = None, **options: Any) -> None:
        """Use a command, and wait until it is answered."""
        used = await self.stage.discord.interaction(
            by or self.ada, command, self.stage.guild, options
        )
        await used.wait_response(10)

    async def mention(self, text: str) -> None:
        """Write to Moddy as staff do, and wait until it answers."""
        discord = self.stage.discord
        before = len(self.channel.messages)
        await discord.message(self.staff, self.channel, text, [discord.bot])
        await discord.wait_until(lambda: len(self.channel.messages) >= before + 2, 10)


@pytest.fixture
def canary(stage: Stage, sentry: Sentry, postgresql_url: str) -> Canary:
    return Canary(stage, sentry, postgresql_url)

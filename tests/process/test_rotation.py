"""What the runbook says of changing each secret, step by step with real processes."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import pytest
from yarl import URL

from moddy.sandbox.backend import running_backend
from tests.postgres_server import Server
from tests.process.answers import QUEUED, notify_answer
from tests.process.moddy_process import ModdyProcess, free_port
from tests.process.stage import Stage

EVENTS = "/internal/event/notify"
OLD, NEW, OTHER = (
    f"whsec_{base64.b64encode(name.encode() * 3).decode()}"
    for name in ("old signing secret", "new signing secret", "another secret of all")
)


async def call_status(moddy: ModdyProcess, secret: str) -> int:
    """Return how Moddy answers a call with a secret."""
    path = "/internal/users/42/premium"
    response = await moddy.http.get(path, headers={"Authorization": f"Bearer {secret}"})
    return response.status_code


@pytest.mark.slow
async def test_the_shared_secret(stage: Stage) -> None:
    old, new = stage.backend.secret, "the-new-secret"

    def told() -> list[int]:
        return [call.status for call in stage.backend.calls_to(EVENTS)]

    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        assert [await call_status(moddy, one) for one in (old, new)] == [200, 403]
    # Moddy first: it takes both, and itself sends the new one.
    changes = {"INTERNAL_API_SECRET": new, "INTERNAL_API_SECRET_PREVIOUS": old}
    async with stage.moddy(**changes) as moddy:
        await moddy.wait_healthy()
        assert [await call_status(moddy, one) for one in (old, new, "x")] == [200, 200, 403]
        # A backend that does not take the new one yet loses nothing by that.
        stage.add_member("ada")
        await moddy.wait_until(lambda: told() != [], what="an event")
        assert told() == [403]
        stage.backend.secret = new
        await moddy.wait_until(lambda: 200 in told(), what="the event, again")
        assert await call_status(moddy, new) == 200
    async with stage.moddy(INTERNAL_API_SECRET=new) as moddy:
        await moddy.wait_healthy()
        assert [await call_status(moddy, one) for one in (old, new)] == [403, 200]
        assert (await moddy.wait_line("Backend connection"))["level"] == "info"
    assert told().count(200) == 1


class Deployment:
    """A Moddy and a backend that share a secret, and sign with theirs."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._port = free_port()
        self._user = stage.add_member("ada")

    @asynccontextmanager
    async def run(
        self, moddy_secrets: Sequence[str], backend_secrets: Sequence[str]
    ) -> AsyncIterator[tuple[list[int | None], str]]:
        """Have each call the other; yields how Moddy answers, and what it says of the backend."""
        stage = self._stage
        secret = stage.settings["INTERNAL_API_SECRET"]
        moddy = stage.moddy(
            BACKEND_INTERNAL_URL=f"http://127.0.0.1:{self._port}",
            INTERNAL_SIGNING_SECRETS=",".join(moddy_secrets),
        )
        async with (
            running_backend(
                secret=secret,
                signing_secrets=backend_secrets,
                moddy_url=URL(f"http://127.0.0.1:{stage.settings['INTERNAL_PORT']}"),
                port=self._port,
            ) as backend,
            moddy,
        ):
            await moddy.wait_answering()
            line = await moddy.wait_line("Backend connection")
            await moddy.wait_line("gateway ready")
            health = await backend.moddy.health()
            told = await backend.moddy.notify(
                str(self._user.id), "plan_upgraded", plan="moddy_max", metadata={}
            )
            yield [health.status, told.status], str(line["message"])


@pytest.mark.slow
@pytest.mark.parametrize("first", ["Moddy", "the backend"])
async def test_signing_secrets(stage: Stage, first: str) -> None:
    deployment = Deployment(stage)
    # Old and new together, side after side, then without the old one.
    steps = [([OLD], [OLD]), ([OLD, NEW], [OLD]), ([OLD, NEW], [OLD, NEW])]
    steps += [([NEW], [OLD, NEW]), ([NEW], [NEW])]
    for one, other in steps:
        moddy_secrets, backend_secrets = (one, other) if first == "Moddy" else (other, one)
        async with deployment.run(moddy_secrets, backend_secrets) as (statuses, said):
            assert statuses == [200, 200]
            assert said.startswith("Backend connection: ok")


async def test_signing_secrets_that_differ(stage: Stage) -> None:
    """Which shows that the steps above could fail."""
    async with Deployment(stage).run([NEW], [OLD, OTHER]) as (statuses, said):
        assert statuses == [401, 401]
        assert not said.startswith("Backend connection: ok")


@pytest.mark.slow
async def test_the_token(stage: Stage) -> None:
    alice = stage.add_member("alice")
    old, new = stage.discord.token, "the-new-token"
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        # Reset in the developer portal: Discord takes the old one no more.
        stage.discord.tokens.clear()
        stage.discord.tokens.add(new)
        assert notify_answer(await moddy.notify(alice.id)) == QUEUED
        await stage.discord.gateway.drop(4004)
        assert await moddy.wait_exit(20) == 3
        assert "DISCORD_TOKEN" in moddy.stderr.pop()
    # The platform starts it again, and it ends as quickly.
    async with stage.moddy() as moddy:
        assert await moddy.wait_exit(40) == 3
        [line] = moddy.stderr
        assert old not in line
        moddy.stderr.clear()
    async with stage.moddy(DISCORD_TOKEN=new) as moddy:
        await moddy.wait_healthy()
        # What was accepted before is not lost.
        await stage.discord.wait_until(lambda: stage.message_count(alice) == 1, 20)


@contextmanager
def asking_for_passwords(server: Server, role: str) -> Iterator[None]:
    """Have a server, which trusts everybody, ask one role for its password."""
    rules = server.directory / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{before}")
    server.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        rules.write_text(before)
        server.execute("SELECT pg_reload_conf()")


async def may_connect(url: str) -> bool:
    """Tell whether a database lets somebody in."""
    try:
        connection = await asyncpg.connect(url)
    except asyncpg.InvalidPasswordError:
        return False
    await connection.close()
    return True


@pytest.mark.slow
async def test_the_database_password(
    stage: Stage, postgresql_server: Server, postgresql_url: str
) -> None:
    alice = stage.add_member("alice")
    server, name = postgresql_server, URL(postgresql_url).path.removeprefix("/")
    role = f"role_{name}"
    old, new = (
        str(URL(postgresql_url).with_user(role).with_password(f"the-{age}-password"))
        for age in ("old", "new")
    )
    server.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'the-old-password'")
    server.execute(f"ALTER DATABASE {name} OWNER TO {role}")
    try:
        with asking_for_passwords(server, role):
            async with stage.moddy(DATABASE_URL=old) as moddy:
                await moddy.wait_healthy()
                for _ in range(100):  # the server reads its rules when it comes to it
                    if not await may_connect(new):
                        break
                    await asyncio.sleep(0.1)
                server.execute(f"ALTER ROLE {role} PASSWORD 'the-new-password'")
                assert [await may_connect(one) for one in (old, new)] == [False, True]
                # It goes on with the connections that it has.
                assert (await moddy.notify(alice.id)).status_code == 200
            async with stage.moddy(DATABASE_URL=new) as moddy:
                await moddy.wait_healthy()
                answer = await moddy.http.get(f"/internal/users/{alice.id}/premium")
                assert answer.json()["premium"] is True
            async with stage.moddy(DATABASE_URL=old) as moddy:
                assert await moddy.wait_exit(40) == 1
                [line] = moddy.stderr
                assert line.startswith("DATABASE_URL: ")
                assert "password" not in line
                moddy.stderr.clear()
    finally:
        server.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
        server.execute(f"DROP OWNED BY {role}", database=name)
        server.execute(f"DROP ROLE {role}")

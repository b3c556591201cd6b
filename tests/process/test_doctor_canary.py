"""What the doctor tells holds no secret, and nobody's data."""

from __future__ import annotations

import pytest
from yarl import URL

from tests.process.canary_stage import Canary, canary
from tests.process.test_operations import run
from tests.test_sentry import sentry

__all__ = ["canary", "sentry"]

# What the doctor tells people to look at.
NAMES = ("the guild's name", "a role's name", "a channel's name")


@pytest.mark.slow
async def test_the_doctor_tells_nothing(canary: Canary) -> None:
    """Beside a Moddy that is well, where nothing is right, and where no setting can be read."""
    plant, channel = canary.planted, str(canary.channel.id)
    async with canary.start(signs=True) as moddy:
        await moddy.wait_healthy()
        told = await consult(canary, MODDY_NOTIFY_CHANNEL_ID=channel)
        assert "a Moddy serves on it" in told
        canary.stage.discord.faults.add(
            "GET", "/users/@me", status=401, message=plant.words("Discord's refusal"), times=None
        )
        canary.stage.backend.secret = plant.secret("another secret")
        url = URL(canary.settings["DATABASE_URL"])
        told = await consult(
            canary,
            DATABASE_URL=str(url.with_path(f"/{plant.secret('a database')}")),
            BACKEND_INTERNAL_URL=f"http://{plant.secret('user')}:{plant.secret('password')}"
            f"@{URL(canary.stage.backend.url).authority}",
        )
        assert told.count('"failure"') >= 3
    names = [*canary.settings, "BACKEND_INTERNAL_URL", "MODDY_GUILD_ID", "INTERNAL_PORT"]
    bad = {name: f"{plant.secret(name)} {plant.email(name)}" for name in names}
    assert "INTERNAL_SIGNING_SECRETS" in await consult(canary, **bad)


async def consult(canary: Canary, **changes: str) -> str:
    """Run the doctor for people and for machines; returns both, which have been looked through."""
    told = ""
    for form in ([], ["--json"]):
        code, printed = await run(canary.stage, "doctor", *form, **canary.settings | changes)
        assert code in (0, 1)
        told += printed
    # People read it in lines of a certain length.
    for text in (told, "".join(line.strip() for line in told.splitlines())):
        assert not canary.planted.find(text, beside=NAMES)
    return told

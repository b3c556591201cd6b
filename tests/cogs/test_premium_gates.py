"""Commands for premium servers: what is answered when it is not known whether a server is one."""

from __future__ import annotations

import pytest
from simcord.builders import UserHandle

from moddy.cogs.config import Config
from moddy.errors import StoreUnavailable
from moddy.services.premium_gate import PremiumGate
from tests.modules.club import WEBSITE, Club, shown, text


class AwayGate(PremiumGate):
    """Nobody knows who is premium."""

    def __init__(self) -> None:
        self.website_url = WEBSITE

    async def is_open(self, owner_id: int | None) -> bool:
        raise StoreUnavailable("away")


def config(club: Club) -> Config:
    cog = club.bot.get_cog("Config")
    assert isinstance(cog, Config)
    return cog


async def test_with_the_store_away_it_is_not_called_locked(club: Club) -> None:
    config(club).premium_gate = AwayGate()
    result = await club.manager.slash(club.log, "config picture")
    answer = text(shown(result))
    assert "premium servers" not in answer
    assert "try again" in answer


async def test_a_cog_without_a_gate_lets_nobody_through(
    club: Club, capsys: pytest.CaptureFixture[str]
) -> None:
    cog = config(club)
    del cog.premium_gate
    result = await club.manager.slash(club.log, "config picture")
    assert result.response is None or not result.response.attachments
    assert "has no premium_gate" in capsys.readouterr().out


async def test_a_server_that_changes_hands_is_premium_with_its_new_owner(club: Club) -> None:
    heiress = UserHandle(club.env, club.env.backend.get_user(club.add("hera").id))
    await club.make_premium(heiress)
    club.env.backend.edit_guild(club.guild.id, {"owner_id": heiress.id})
    await club.settle()
    result = await club.manager.slash(club.log, "config picture")
    assert shown(result).attachments

"""Layouts sent through discord.py to an in-memory Discord, which validates them."""

from __future__ import annotations

import discord
import pytest
import simcord
from discord import ui
from simcord.components import walk_components

from moddy.models import NotifyAction, SubscriptionStatus
from moddy.views.invoices import MAX_INVOICES
from moddy.views.notifications import notification_view
from tests.views.reading import plain_text
from tests.views.test_invoices import WEBSITE, answer, invoice
from tests.views.test_invoices import view_of as invoices_of
from tests.views.test_notifications import notice
from tests.views.test_profile import view_of as profile_of
from tests.views.test_subscription import response
from tests.views.test_subscription import view_of as subscription_of


async def delivered(view: ui.LayoutView) -> str:
    """Send `view` as a direct message and return the texts that arrived."""
    client = discord.Client(intents=discord.Intents.default())
    async with simcord.run(client) as env:
        anna = env.create_user("anna")
        user = await client.fetch_user(anna.id)
        await user.send(view=view, allowed_mentions=discord.AllowedMentions.none())
        [message] = anna.dm_channel.history()
        assert message.flags.components_v2
        assert message.content == ""
        assert message.mentions == []
        assert not message.mention_everyone
        parts = walk_components([part.to_dict() for part in message.components])
        return "\n".join(part["content"] for part in parts if part["type"] == 10)


@pytest.mark.parametrize("locale", ["en-US", "fr"])
@pytest.mark.parametrize("action", list(NotifyAction))
async def test_a_notice_arrives(action: NotifyAction, locale: str) -> None:
    message, changes = "@everyone <@1> # hi\n" * 400, ["x" * 900] * 40
    view = notification_view(notice(action, locale, message=message, changes=changes))
    assert await delivered(view) == plain_text(view)


@pytest.mark.parametrize("locale", ["en-US", "fr"])
async def test_what_customers_ask_for_arrives(locale: str) -> None:
    many = answer(*(invoice(day) for day in range(MAX_INVOICES)))
    for view in (
        subscription_of(response(SubscriptionStatus.PAST_DUE), locale, website=WEBSITE),
        invoices_of(many, locale, page=2, website=WEBSITE),
        profile_of(locale),
    ):
        assert await delivered(view) == plain_text(view)

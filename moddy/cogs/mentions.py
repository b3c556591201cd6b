"""``@Moddy sup.…``: what support staff can ask in a message, as they are used to.

Discord gives Moddy the text of a message that mentions it, also without the message content
intent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord import ui
from discord.ext import commands

from moddy.cogs.command_lines import MentionTimes, log_done
from moddy.cogs.cooldown import Cooldown
from moddy.cogs.errors import answer_mention_error
from moddy.cogs.mention_words import read_look_up, read_refund
from moddy.cogs.replies import reply
from moddy.cogs.staff_answers import Agent, StaffAnswers
from moddy.errors import ModdyError, StoreUnavailable
from moddy.models import Snowflake
from moddy.staff import Refusal, StaffAction
from moddy.views.invoices import MAX_INVOICES
from moddy.views.staff.help import Topic
from moddy.views.staff.invoices import DEFAULT_INVOICES

PREFIX = "sup."
_DEFAULT_LOCALE = "en-US"

Answer = Callable[[Agent], Awaitable[ui.LayoutView]]
Context = commands.Context[Any]


class Mentions(commands.Cog):
    """The commands that staff give by mentioning Moddy. The answer is a reply, and pings nobody.

    discord.py leaves out what bots and webhooks write, and knows nothing of edits.
    """

    def __init__(self, *, answers: StaffAnswers, cooldown: Cooldown) -> None:
        self._answers = answers
        self._cooldown = cooldown
        self._times = MentionTimes()

    async def cog_before_invoke(self, ctx: Context) -> None:
        """Note when a command began; discord.py calls this."""
        self._times.start(ctx)

    @commands.Cog.listener()
    async def on_command_completion(self, ctx: Context) -> None:
        """Log a command that worked."""
        name = ctx.command.qualified_name if ctx.command else None
        log_done("command", name, user_id=ctx.author.id, started=self._times.started(ctx))

    @commands.command(name="sup.subscription")
    async def subscription(self, ctx: Context, *, words: str = "") -> None:
        """Show how a customer's subscription stands."""
        wanted = read_look_up(words)
        if wanted is None:
            await self._explain(ctx, Topic.SUBSCRIPTION)
            return
        customer_id = wanted.customer_id
        await self._show(
            ctx,
            StaffAction.VIEW_SUBSCRIPTION,
            customer_id,
            lambda agent: self._answers.subscription(agent, customer_id),
        )

    @commands.command(name="sup.invoices")
    async def invoices(self, ctx: Context, *, words: str = "") -> None:
        """Show a customer's newest invoices."""
        wanted = read_look_up(words, limits=(1, MAX_INVOICES))
        if wanted is None:
            await self._explain(ctx, Topic.INVOICES)
            return
        customer_id, limit = wanted.customer_id, wanted.number or DEFAULT_INVOICES
        await self._show(
            ctx,
            StaffAction.VIEW_INVOICES,
            customer_id,
            lambda agent: self._answers.invoices(agent, customer_id, limit=limit),
        )

    @commands.command(name="sup.refund")
    async def refund(self, ctx: Context, *, words: str = "") -> None:
        """Ask for the confirmation of a refund."""
        wanted = read_refund(words)
        if wanted is None:
            await self._explain(ctx, Topic.REFUND)
            return
        customer_id, amount, reason = wanted.customer_id, wanted.amount, wanted.reason
        await self._show(
            ctx,
            StaffAction.PROPOSE_REFUND,
            customer_id,
            lambda agent: self._answers.refund(agent, customer_id, amount, reason),
        )

    @commands.command(name="sup.help")
    async def help(self, ctx: Context, *, words: str = "") -> None:
        """Show all commands, whatever else was written."""
        agent = await self._begin(ctx)
        await reply(ctx.message, await self._answers.help(agent))

    @commands.Cog.listener()
    async def on_command_error(self, ctx: Context, error: commands.CommandError) -> None:
        """Tell what went wrong; a mention that is no command of these is no business of Moddy's."""
        cause: Exception = error
        if isinstance(error, commands.CommandInvokeError):
            cause = error.original
        elif isinstance(error, commands.CommandNotFound):
            if not (ctx.invoked_with or "").casefold().startswith(PREFIX):
                return
            try:
                agent = await self._begin(ctx)
                await reply(ctx.message, await self._answers.unknown_command(agent))
                return
            except ModdyError as failure:
                cause = failure
        name = ctx.command.qualified_name if ctx.command else None
        locale = await self._locale(ctx.message)
        started = self._times.started(ctx)
        await answer_mention_error(ctx.message, cause, name=name, locale=locale, started=started)

    async def _show(
        self, ctx: Context, action: StaffAction, customer_id: Snowflake, find: Answer
    ) -> None:
        """Reply with what `find` finds, where not everybody can read it."""
        agent = await self._begin(ctx)
        if _is_public(ctx.message):
            await self._answers.refuse(agent, action, Refusal.PUBLIC_CHANNEL, customer_id)
        await reply(ctx.message, await find(agent))

    async def _explain(self, ctx: Context, topic: Topic) -> None:
        agent = await self._begin(ctx)
        await reply(ctx.message, await self._answers.usage(agent, topic))

    async def _begin(self, ctx: Context) -> Agent:
        self._cooldown.spend(ctx.message)
        locale = await self._locale(ctx.message)
        return Agent(id=Snowflake(ctx.author.id), locale=locale)

    async def _locale(self, message: discord.Message) -> str:
        """Return the author's own locale where it is known, else the guild's."""
        try:
            known = await self._answers.find_locale(Snowflake(message.author.id))
        except StoreUnavailable:
            known = None
        if known is None and message.guild is not None:
            known = message.guild.preferred_locale.value
        return known or _DEFAULT_LOCALE


def _is_public(message: discord.Message) -> bool:
    """Tell whether everybody in the guild can read the channel; so it counts where in doubt."""
    channel, guild = message.channel, message.guild
    if isinstance(channel, discord.DMChannel):
        return False
    if isinstance(channel, discord.Thread) and channel.is_private():
        return False
    if guild is None or isinstance(channel, discord.PartialMessageable | discord.GroupChannel):
        return True
    try:
        return channel.permissions_for(guild.default_role).view_channel
    except discord.ClientException:  # a thread whose channel is not known
        return True

"""``/config``: what Moddy does on a server, for members who may manage it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import discord
from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands
from msgspec import Struct

from moddy.cogs.premium_gates import for_premium_servers
from moddy.cogs.presses import Handler, chosen, read_args, submitted
from moddy.services.premium_gate import PremiumFeature, PremiumGate
from moddy.views.modules.controls import Press
from moddy.views.modules.refusals import Refusal, refusal_view
from moddy.views.modules.visitor import Visitor


class ModuleDesk(Protocol):
    """What shows and changes the settings, see `moddy.modules.desk`."""

    async def overview(self, visitor: Visitor) -> ui.LayoutView: ...

    async def panel(self, visitor: Visitor, name: str) -> ui.LayoutView: ...

    async def form(self, visitor: Visitor, name: str) -> ui.Modal: ...

    async def choose(
        self, visitor: Visitor, name: str, field: str, values: Sequence[str]
    ) -> ui.LayoutView: ...

    async def write(
        self, visitor: Visitor, name: str, texts: Mapping[str, str]
    ) -> ui.LayoutView: ...

    async def turn(self, visitor: Visitor, name: str, to: str) -> ui.LayoutView: ...

    async def try_out(self, visitor: Visitor, name: str) -> ui.LayoutView: ...


class PicturePreview(Protocol):
    """What makes a welcome picture, see `moddy.modules.welcome.preview`."""

    async def make(self, member: discord.Member) -> tuple[ui.LayoutView, discord.File]: ...


class _Module(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    module: str


class _Field(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    module: str
    field: str
    value: str | None = None


class _Turn(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    module: str
    to: str


class Config(commands.Cog):
    """The panels of a server's modules.

    Who may manage the server is asked of Discord at each use: the command's own restriction can
    be changed by the server, and a panel stays on the screen when a permission is gone.
    """

    config = app_commands.Group(
        name=locale_str("config"),
        description=locale_str("What Moddy does on this server"),
        default_permissions=discord.Permissions(manage_guild=True),
        guild_only=True,
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
        allowed_contexts=app_commands.AppCommandContext(
            guild=True, dm_channel=False, private_channel=False
        ),
    )

    def __init__(
        self, *, desk: ModuleDesk, preview: PicturePreview, premium_gate: PremiumGate
    ) -> None:
        self._desk = desk
        self._preview = preview
        self.premium_gate = premium_gate

    def presses(self) -> Mapping[str, Handler]:
        """Return what the controls of the panels do."""
        return {
            Press.HOME: self._open_overview,
            Press.PANEL: self._open_panel,
            Press.SET: self._choose,
            Press.FORM: self._open_form,
            Press.WRITE: self._write,
            Press.TURN: self._turn,
            Press.TRY: self._try_out,
        }

    @config.command(
        name=locale_str("modules"), description=locale_str("Set up what Moddy does on this server")
    )
    async def modules(self, interaction: discord.Interaction[Any]) -> None:
        """Show all modules."""
        if (manager := await _manager(interaction)) is None:
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        view = await self._desk.overview(manager)
        await interaction.followup.send(view=view, ephemeral=True)

    @config.command(
        name=locale_str("picture"),
        description=locale_str("See your own welcome picture (premium servers)"),
    )
    @for_premium_servers(PremiumFeature.WELCOME_PICTURE)
    async def picture(self, interaction: discord.Interaction[Any]) -> None:
        """Show the welcome picture that the asking member would get."""
        if (manager := await _manager(interaction)) is None:
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        view, file = await self._preview.make(manager.member)
        await interaction.followup.send(view=view, file=file, ephemeral=True)

    async def _open_overview(
        self, interaction: discord.Interaction[Any], args: Sequence[str]
    ) -> None:
        if manager := await _manager(interaction):
            await _show(interaction, lambda: self._desk.overview(manager))

    async def _open_panel(self, interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        name = read_args(args, _Module).module
        if manager := await _manager(interaction):
            await _show(interaction, lambda: self._desk.panel(manager, name))

    async def _choose(self, interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        read = read_args(args, _Field)
        values = chosen(interaction) if read.value is None else [read.value]
        if manager := await _manager(interaction):
            await _show(
                interaction,
                lambda: self._desk.choose(manager, read.module, read.field, values),
            )

    async def _open_form(self, interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        name = read_args(args, _Module).module
        if manager := await _manager(interaction):
            # A form has to be the first answer, so nothing can be acknowledged before.
            form = await self._desk.form(manager, name)
            await interaction.response.send_modal(form)

    async def _write(self, interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        name = read_args(args, _Module).module
        texts = {field: "".join(values) for field, values in submitted(interaction).items()}
        if manager := await _manager(interaction):
            await _show(interaction, lambda: self._desk.write(manager, name, texts))

    async def _turn(self, interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        read = read_args(args, _Turn)
        if manager := await _manager(interaction):
            await _show(interaction, lambda: self._desk.turn(manager, read.module, read.to))

    async def _try_out(self, interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        name = read_args(args, _Module).module
        if manager := await _manager(interaction):
            await _show(interaction, lambda: self._desk.try_out(manager, name))


async def _manager(interaction: discord.Interaction[Any]) -> Visitor | None:
    """Return the member who asks, if they may; else tell them why not.

    Their permissions are those that Discord sends along with this very interaction.
    """
    member, guild, locale = interaction.user, interaction.guild, interaction.locale.value
    if not isinstance(member, discord.Member) or guild is None or guild.me is None:
        refusal = Refusal.NOT_HERE
    elif not (interaction.permissions.manage_guild or interaction.permissions.administrator):
        refusal = Refusal.NOT_MANAGER
    else:
        return Visitor(member, locale)
    view = refusal_view(refusal, locale=locale)
    await interaction.response.send_message(view=view, ephemeral=True)
    return None


async def _show(
    interaction: discord.Interaction[Any], make: Callable[[], Awaitable[ui.LayoutView]]
) -> None:
    """Put what `make` returns in the place of the panel that was used."""
    await interaction.response.defer()
    await interaction.edit_original_response(view=await make())

"""The settings of a server's modules: showing, changing, testing. ``/config`` is its counter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import discord
import msgspec
from discord import ui
from msgspec import structs

from moddy.errors import ControlOutOfDate
from moddy.models import Snowflake, encode
from moddy.modules.active import ActiveModules
from moddy.modules.base import BrokenSettings, GuildModule, read_settings, unlocked, with_values
from moddy.modules.preparations import Preparations
from moddy.services.guild_modules import GuildModules, Rows
from moddy.services.premium_gate import PremiumGate
from moddy.store.guild_modules import ModuleRow
from moddy.views.language import Language
from moddy.views.modules.controls import Entry, ModuleState, Panel
from moddy.views.modules.fields import ChannelField, ChoiceField, Field, RolesField, SwitchField
from moddy.views.modules.panel import form, overview_view, panel_view
from moddy.views.modules.visitor import Visitor
from moddy.views.premium import feature_text, locked_text

Change = Callable[[ModuleRow], ModuleRow]


class _Refused(Exception):
    """A change is not made; `reasons` say in words why."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("refused")
        self.reasons = reasons


class ModuleDesk:
    """Shows and changes what a server has of modules.

    Who may do so is the caller's to know. Everything raises ControlOutOfDate for what there is
    no such module or field of (any more), and StoreUnavailable.
    """

    def __init__(
        self,
        *,
        active: ActiveModules,
        store: GuildModules,
        gate: PremiumGate,
        preparations: Preparations,
    ) -> None:
        self._modules = active.modules
        self._store = store
        self._gate = gate
        self._preparations = preparations

    async def overview(self, visitor: Visitor) -> ui.LayoutView:
        """Return all modules."""
        rows, language = await self._rows(visitor), visitor.language
        entries = [
            Entry(
                module=module.name,
                title=module.title(language),
                summary=module.summary(language),
                state=_state(module, rows.get(module.name)),
            )
            for module in self._modules.values()
        ]
        return overview_view(entries, language)

    async def panel(self, visitor: Visitor, name: str) -> ui.LayoutView:
        """Return one module's settings."""
        return await self._show(visitor, self._module(name))

    async def form(self, visitor: Visitor, name: str) -> ui.Modal:
        """Return the form for one module's texts."""
        panel = await self._panel(visitor, self._module(name))
        if panel.state is ModuleState.BROKEN:
            raise ControlOutOfDate
        return form(panel, visitor.language)

    async def choose(
        self, visitor: Visitor, name: str, field: str, values: Sequence[str]
    ) -> ui.LayoutView:
        """Set a field to what was chosen in its menu or with its button."""
        module, language = self._module(name), visitor.language
        settings = _read(module, await self._rows(visitor))
        known = {one.name: one for one in module.fields(settings, language)}
        if field not in known:
            raise ControlOutOfDate
        value = _chosen(known[field], values)
        feature = module.premium_fields.get(field)
        if feature and value and not await self._gate.is_open(visitor.guild.owner_id):
            refused = [locked_text(feature_text(feature, language), language)]
            return await self._show(visitor, module, refused=refused)
        return await self._set(visitor, module, {field: value})

    async def write(self, visitor: Visitor, name: str, texts: Mapping[str, str]) -> ui.LayoutView:
        """Set the texts that were written in the module's form."""
        module = self._module(name)
        stripped = {field: text.strip() for field, text in texts.items()}
        read = module.read_texts(stripped, visitor.language)
        if read.refused:
            return await self._show(visitor, module, refused=read.refused)
        return await self._set(visitor, module, read.values)

    async def turn(self, visitor: Visitor, name: str, to: str) -> ui.LayoutView:
        """Turn a module ``on`` or ``off``, or ``reset`` it to off and its first settings."""
        module = self._module(name)
        first = encode(module.settings_type())

        def turn_on(row: ModuleRow) -> ModuleRow:
            settings = _readable(module, row.settings)
            reasons = _all_problems(module, settings, visitor.guild, visitor.language)
            if reasons:
                raise _Refused(reasons)
            return structs.replace(row, enabled=True)

        changes: Mapping[str, Change] = {
            "on": turn_on,
            "off": lambda row: structs.replace(row, enabled=False),
            "reset": lambda row: structs.replace(row, enabled=False, settings=first),
        }
        if to not in changes:
            raise ControlOutOfDate
        shown = await self._change(visitor, module, changes[to])
        if to != "on":
            await module.forget(Snowflake(visitor.guild.id))
        return shown

    async def try_out(self, visitor: Visitor, name: str) -> ui.LayoutView:
        """Have a module do for the visitor what it does for others."""
        module, language = self._module(name), visitor.language
        settings = _read(module, await self._rows(visitor))
        report = [*module.missing(settings, language)]
        if not report:
            settings = await unlocked(module, settings, visitor.guild.owner_id, self._gate)
            report = [*await module.try_out(settings, visitor.member, language)]
        return await self._show(visitor, module, report=report)

    async def _set(
        self, visitor: Visitor, module: GuildModule[Any], values: Mapping[str, object]
    ) -> ui.LayoutView:
        guild, language = visitor.guild, visitor.language

        def change(row: ModuleRow) -> ModuleRow:
            old = _readable(module, row.settings)
            try:
                new = with_values(module, old, values)
            except msgspec.ValidationError:
                raise ControlOutOfDate from None
            # What was wrong before does not keep anyone from changing something else.
            known = module.problems(old, guild, language, actor=visitor.member)
            found = module.problems(new, guild, language, actor=visitor.member)
            reasons = [problem for problem in found if problem not in known]
            if row.enabled:
                reasons += module.missing(new, language)
            if reasons:
                raise _Refused(reasons)
            return structs.replace(row, settings=encode(new))

        return await self._change(visitor, module, change)

    async def _change(
        self, visitor: Visitor, module: GuildModule[Any], change: Change
    ) -> ui.LayoutView:
        guild_id = Snowflake(visitor.guild.id)
        try:
            row = await self._store.change(
                guild_id,
                module.name,
                change,
                default=encode(module.settings_type()),
                by=Snowflake(visitor.member.id),
            )
        except _Refused as refused:
            return await self._show(visitor, module, refused=refused.reasons)
        if row.enabled:
            self._preparations.ask(guild_id)
        return await self._show(visitor, module)

    async def _show(
        self,
        visitor: Visitor,
        module: GuildModule[Any],
        *,
        refused: Sequence[str] = (),
        report: Sequence[str] = (),
    ) -> ui.LayoutView:
        panel = await self._panel(visitor, module)
        shown = structs.replace(panel, refused=refused, report=report)
        return panel_view(shown, visitor.language, website_url=self._gate.website_url)

    async def _panel(self, visitor: Visitor, module: GuildModule[Any]) -> Panel:
        guild, language = visitor.guild, visitor.language
        rows = await self._rows(visitor)
        state = _state(module, rows.get(module.name))
        panel = Panel(
            module=module.name,
            title=module.title(language),
            summary=module.summary(language),
            state=state,
        )
        if state is ModuleState.BROKEN:
            return panel
        settings = _read(module, rows)
        is_open = not module.premium_fields or await self._gate.is_open(guild.owner_id)
        is_on = state is ModuleState.ON
        return structs.replace(
            panel,
            fields=module.fields(settings, language),
            # A module that is off has nothing to put right yet.
            problems=_all_problems(module, settings, guild, language) if is_on else (),
            locked=frozenset() if is_open else frozenset(module.premium_fields),
            known_ids=_known_ids(guild),
            can_try=module.can_try,
        )

    async def _rows(self, visitor: Visitor) -> Rows:
        return await self._store.find(Snowflake(visitor.guild.id))

    def _module(self, name: str) -> GuildModule[Any]:
        module = self._modules.get(name)
        if module is None:
            raise ControlOutOfDate
        return module


def _read(module: GuildModule[Any], rows: Rows) -> Any:
    row = rows.get(module.name)
    return module.settings_type() if row is None else _readable(module, row.settings)


def _readable(module: GuildModule[Any], stored: bytes) -> Any:
    try:
        return read_settings(module, stored)
    except BrokenSettings:
        raise ControlOutOfDate from None  # the panel offers to start over


def _state(module: GuildModule[Any], row: ModuleRow | None) -> ModuleState:
    if row is None:
        return ModuleState.OFF
    try:
        read_settings(module, row.settings)
    except BrokenSettings:
        return ModuleState.BROKEN
    return ModuleState.ON if row.enabled else ModuleState.OFF


def _all_problems(
    module: GuildModule[Any], settings: Any, guild: discord.Guild, language: Language
) -> Sequence[str]:
    return [*module.missing(settings, language), *module.problems(settings, guild, language)]


def _chosen(field: Field, values: Sequence[str]) -> object:
    """Return what was chosen as JSON would have it."""
    match field:
        case ChannelField():
            return values[0] if values else None
        case RolesField():
            return list(values)
        case ChoiceField() if values:
            return values[0]
        case SwitchField() if values and values[0] in {"true", "false"}:
            return values[0] == "true"
    raise ControlOutOfDate


def _known_ids(guild: discord.Guild) -> frozenset[int]:
    channels = (channel.id for channel in guild.channels)
    return frozenset([*channels, *(role.id for role in guild.roles)])

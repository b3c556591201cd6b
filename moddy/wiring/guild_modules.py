"""Building the guild modules; a new one is listed here."""

from __future__ import annotations

from aiolimiter import AsyncLimiter
from msgspec import Struct

from moddy.messenger import Connection
from moddy.modules.active import ActiveModules
from moddy.modules.calls import GuildCalls
from moddy.modules.desk import ModuleDesk
from moddy.modules.preparations import Preparations
from moddy.modules.restore_roles import RestoreRoles
from moddy.modules.restore_roles.keeper import Keeper
from moddy.modules.welcome import Welcome
from moddy.modules.welcome.preview import WelcomePreview
from moddy.services.guild_modules import GuildModules
from moddy.services.premium import Premium
from moddy.services.premium_gate import PremiumGate
from moddy.wiring.ground import Ground


class GuildModuleParts(Struct, frozen=True, kw_only=True):
    """What runs the guild modules."""

    active: ActiveModules
    preparations: Preparations
    desk: ModuleDesk
    preview: WelcomePreview
    gate: PremiumGate


def make_guild_modules(
    ground: Ground, connection: Connection, premium: Premium
) -> GuildModuleParts:
    """Return the modules and what is around them."""
    settings, database, clock = ground.settings, ground.database, ground.clock
    website = settings.moddy_website_url
    gate = PremiumGate(premium=premium, website_url=str(website) if website else None)
    store = GuildModules(database=database, clock=clock)
    calls = GuildCalls(connection)
    preparations = Preparations(get_guild=connection.bot.get_guild)
    # Half of what is opened for customers, in addition to it.
    new_dms = AsyncLimiter(max(settings.dm_opens_per_minute / 2, 1), 60)
    welcome = Welcome(calls=calls, new_dms=new_dms)
    premium_role = settings.moddy_premium_role_id
    restore_roles = RestoreRoles(
        keeper=Keeper(
            database=database,
            clock=clock,
            reserved=frozenset({premium_role} if premium_role else ()),
        ),
        calls=calls,
        clock=clock,
        prepare_later=preparations.ask_later,
    )
    active = ActiveModules([welcome, restore_roles], store=store, gate=gate)
    return GuildModuleParts(
        active=active,
        preparations=preparations,
        desk=ModuleDesk(active=active, store=store, gate=gate, preparations=preparations),
        preview=WelcomePreview(welcome=welcome, store=store),
        gate=gate,
    )

"""Guild modules: what Moddy does on a server whose staff turned it on.

A module is a class and a Struct. This one answers every newcomer in a channel:

    class HelloSettings(Struct, frozen=True, kw_only=True):
        channel_id: Snowflake | None = None

    class Hello(GuildModule[HelloSettings]):
        name = "hello"
        settings_type = HelloSettings

        def title(self, language: Language) -> str:
            return language.gettext("Hello")

        def summary(self, language: Language) -> str:
            return language.gettext("Says hello to newcomers.")

        def fields(self, settings: HelloSettings, language: Language) -> Sequence[Field]:
            label = language.gettext("Channel")
            return [ChannelField(name="channel_id", label=label, value=settings.channel_id)]

        async def member_joined(self, settings: HelloSettings, member: discord.Member) -> None:
            ...

It is listed in `moddy.wiring.guild_modules`; its panel, its storage, its switch and its isolation
from the other modules and servers come with `GuildModule`. `problems` and `missing` say in words
what keeps settings from working; `premium_fields` names those that only premium servers have.
"""

"""Welcome: greets new members in a channel, in a direct message, or both."""

from moddy.modules.welcome.module import Welcome
from moddy.modules.welcome.settings import WelcomeSettings

__all__ = ["Welcome", "WelcomeSettings"]

"""The reference backend: a stand-in for the website backend that keeps the wire contract.

It serves the six endpoints Moddy calls, calls Moddy's internal API itself, and has a page with
buttons. The sandbox runs it beside Moddy; tests run it alone with `running_backend`.
"""

from moddy.sandbox.backend.billing import BillingError, Seed
from moddy.sandbox.backend.buttons import Choice
from moddy.sandbox.backend.moddy_client import Exchange, ModdyClient
from moddy.sandbox.backend.page import DiscordView, DiscordWindow
from moddy.sandbox.backend.server import ReferenceBackend, make_backend_app, running_backend

__all__ = [
    "BillingError",
    "Choice",
    "DiscordView",
    "DiscordWindow",
    "Exchange",
    "ModdyClient",
    "ReferenceBackend",
    "Seed",
    "make_backend_app",
    "running_backend",
]

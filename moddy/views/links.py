"""Addresses that Discord takes for a link button."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui
from yarl import URL

_MAX_URL = 512


def web_address(text: str | None) -> str | None:
    """Return an address that Discord takes for a button, else None.

    Discord refuses the whole message for one bad address: it wants http(s), a full host name
    and at most 512 characters.
    """
    try:
        url = URL(text or "")
        host, port = url.raw_host or "", url.explicit_port
    except ValueError:
        return None
    address = str(url)
    wanted = url.scheme in {"http", "https"} and "." in host.strip(".") and url.raw_user is None
    return address if wanted and port != 0 and len(address) <= _MAX_URL else None


def link_button(label: str, address: str | None) -> ui.Button[Any] | None:
    """Return a button that opens `address`, None where Discord would not take it."""
    url = web_address(address)
    if url is None:
        return None
    return ui.Button(style=discord.ButtonStyle.link, label=label, url=url)

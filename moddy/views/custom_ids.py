"""Custom ids: what a button, menu or form says to Moddy when it is used."""

from __future__ import annotations

# Source: https://discord.com/developers/docs/components/reference#anatomy-of-a-component-custom-id
MAX_CUSTOM_ID = 100
SEPARATOR = ":"


def custom_id(name: str, *args: str) -> str:
    """Return the custom id that brings a press to the handler `name`, with these arguments.

    Raises:
        ValueError: a part has a colon, the name is empty, or it is over 100 characters in all.
    """
    parts = (name, *args)
    if not name or any(SEPARATOR in part for part in parts):
        raise ValueError("a custom id's parts have no colon, and its name is not empty")
    joined = SEPARATOR.join(parts)
    if len(joined) > MAX_CUSTOM_ID:
        raise ValueError(f"a custom id has at most {MAX_CUSTOM_ID} characters")
    return joined
